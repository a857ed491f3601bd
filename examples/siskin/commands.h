// The commands of `siskin`, one file each. argv[0] is the command's name; the result is the exit status.
#pragma once

namespace siskin::cli {

int inspect_command(int argc, const char* const* argv);
int run_command(int argc, const char* const* argv);
int tokenize_command(int argc, const char* const* argv);
int eval_command(int argc, const char* const* argv);
int convert_command(int argc, const char* const* argv);
int quantize_command(int argc, const char* const* argv);
int pack_command(int argc, const char* const* argv);
int synth_command(int argc, const char* const* argv);
int machine_command(int argc, const char* const* argv);
int overlay_command(int argc, const char* const* argv);
int trace_command(int argc, const char* const* argv);

}  // namespace siskin::cli
