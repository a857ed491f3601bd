#include "engine/models/family.h"

#include "formats/try.h"

namespace siskin {
namespace {

constexpr const Family* kFamilies[] = {
    &kLlamaFamily,      &kOlmoeFamily,   &kQwen2Family,      &kQwen2MoeFamily,   &kQwen3MoeFamily,  &kGemma3Family,
    &kErnie45MoeFamily, &kGlm4MoeFamily, &kGraniteMoeFamily, &kHunyuanMoeFamily, &kMiniMaxM2Family, &kDeepseekFamily,
    &kDeepseek2Family,  &kGptOssFamily,  &kDbrxFamily,       &kLlama4Family,     &kPhimoeFamily};

}  // namespace

Result<const Family*> find_family(const ModelFile& file) {
  SISKIN_TRY(const std::string architecture, file.metadata().string("general.architecture"));
  std::string known;
  for (const Family* family : kFamilies) {
    if (architecture == family->architecture) return family;
    known += std::string(known.empty() ? "" : ", ") + family->architecture;
  }
  return Error{ErrorCode::unsupported,
               file.path().filename().string() + ": architecture '" + architecture + "' is not built; built: " + known};
}

}  // namespace siskin
