// Candidate: one model file in one weight type, named family:type; made from the user's file where that has another type.
#pragma once

#include <siskin/model.h>
#include <siskin/result.h>

#include <filesystem>
#include <string>
#include <vector>

#include "selector/backend.h"
#include "selector/config.h"

namespace siskin::selector {

struct Candidate {
  std::string name;    // "dense-m:q8_0"
  std::string family;  // "dense-m"
  std::string type;    // "q8_0"
  bool is_reference = false;
  bool own_type = false;         // the user's file as it is
  std::filesystem::path source;  // the user's file
  std::filesystem::path file;    // what is loaded; equals source for the own type
  std::string content_hash;      // of the source and, for made variants, of how they are made
  // Exact for a file that exists. For a variant that is still to be made, the source's with the weight bytes scaled by the
  // bits of the type: less than the real ones (norms and fallbacks keep wider types), so bounds drawn from it stay bounds.
  ModelInfo info;
  bool info_exact = false;
};

// In the order of the configuration. Errors: invalid_argument with the line, or the engine's own about a file.
Result<std::vector<Candidate>> expand_candidates(const Config& config, Backend& backend,
                                                 const std::filesystem::path& variants_dir);

// Writes the variant's file unless it is there, and makes info exact.
Status make_variant(Candidate& candidate, const Workload& workload, Backend& backend);

// Positions that one request of this workload holds.
inline size_t request_ctx(const Workload& workload) { return workload.prompt_tokens + workload.output_tokens; }

}  // namespace siskin::selector
