#include "examples/siskin/cli/expert_flags.h"

namespace siskin::cli {

void add_expert_flags(CommandLine& line, ExpertFlags& flags) {
  CLI::App& app = line.app();
  app.add_option("--expert-top-k", flags.top_k, "Experts per token, one number or one per layer (default: the model's)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(integer_in(1, 1 << 16))
      ->envname("SISKIN_EXPERT_TOP_K")
      ->type_name("K,...");
  app.add_option("--expert-min-p", flags.min_probability,
                 "Leave out a chosen expert, but for the first, that weighs less of the chosen ones' sum")
      ->check(real_in(0, 1))
      ->envname("SISKIN_EXPERT_MIN_P")
      ->type_name("X");
  app.add_option("--expert-mask", flags.mask, "Experts never to choose: JSON {\"drop\": [[0, 3], [], ...]}, a list per layer")
      ->envname("SISKIN_EXPERT_MASK")
      ->type_name("FILE");
}

Result<ExpertKnobs> expert_knobs(const ExpertFlags& flags) {
  ExpertKnobs knobs;
  if (!flags.mask.empty()) {
    auto mask = load_expert_mask(flags.mask);
    if (!mask) return mask;
    knobs = *std::move(mask);
  }
  knobs.top_k = flags.top_k;
  if (flags.min_probability >= 0) knobs.min_probability = static_cast<float>(flags.min_probability);
  return knobs;
}

}  // namespace siskin::cli
