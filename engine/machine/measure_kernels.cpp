// measure_kernels: our matmul against each provider's, shape by shape, on one thread, as a worker would call them.
#include <siskin/machine.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>

#include "engine/machine/cache.h"
#include "engine/machine/fingerprint.h"
#include "engine/machine/profile_json.h"
#include "engine/machine/sample.h"
#include "formats/try.h"
#include "kernels/provider.h"
#include "kernels/select.h"

namespace siskin {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array kTypes = {DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q4_0};
constexpr std::array<size_t, 2> kCols = {1024, 4096};
constexpr std::array<size_t, 3> kBatches = {1, 32, 256};
constexpr size_t kPanelRows = 256;  // what one task multiplies
constexpr size_t kPanels = 4;       // walked in turn, so that no contender finds its panel in the nearest cache
constexpr double kContenderSeconds = 0.02;
constexpr double kSlowRound = 0.2;  // a shape this slow (on `ref`) is run once

struct Contender {
  std::string name;
  std::unique_ptr<PreparedGemm> gemm;  // null: our own kernel
  double best_seconds = std::numeric_limits<double>::infinity();
};

void run_once(Contender& contender, MatmulFn own, const MatmulArgs& args) {
  const auto begin = Clock::now();
  if (contender.gemm) {
    contender.gemm->execute(args);
  } else {
    own(args);
  }
  contender.best_seconds = std::min(contender.best_seconds, std::chrono::duration<double>(Clock::now() - begin).count());
}

std::vector<Contender> contenders_for(const GemmShape& shape) {
  std::vector<Contender> contenders;
  contenders.push_back({"siskin", nullptr});
  for (const Provider* provider : providers()) {
    if (!provider->supports(shape)) continue;
    auto gemm = provider->prepare(shape);
    if (gemm) contenders.push_back({provider->name(), *std::move(gemm)});  // a refusal is no contender
  }
  return contenders;
}

KernelChoice compete(const KernelTable& table, const SampleMatrix& matrix, const SampleRows& rows, size_t m) {
  const DType type = matrix.view.type;
  const MatmulFn own = m == 1 ? matvec_of(table, type) : matmul_of(table, type);
  std::vector<Contender> contenders = contenders_for({type, m, kPanelRows, rows.cols});
  std::vector<float> y(m * kPanelRows);
  constexpr size_t kStrips = kPanelRows / kStripRows;

  const auto begin = Clock::now();
  const double allowed = kContenderSeconds * static_cast<double>(contenders.size());
  double elapsed = 0;
  // Round by round, everyone in turn: a slow moment of the machine falls on all.
  for (size_t round = 0; round == 0 || elapsed < allowed || (round == 1 && elapsed < kSlowRound); ++round) {
    const size_t first = round % kPanels * kStrips;
    const MatmulArgs args = sample_args(matrix, first, first + kStrips, rows, m, y.data());
    for (Contender& contender : contenders) run_once(contender, own, args);
    elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
  }

  KernelChoice choice{m == 1 ? "matvec" : "matmul", dtype_name(type), m, kPanelRows, rows.cols, {}, {}};
  const double operations = 2.0 * static_cast<double>(m * kPanelRows * rows.cols);
  double best = 0;
  for (const Contender& contender : contenders) {
    const double gflops = operations / std::max(contender.best_seconds, 1e-9) / 1e9;
    choice.gflops.emplace_back(contender.name, gflops);
    if (gflops > best) {
      best = gflops;
      choice.chosen = contender.name;
    }
  }
  return choice;
}

// Another version of a provider is another competition.
std::string choices_file(const MachineProfile& profile) {
  std::string contenders;
  for (const Provider* provider : providers()) contenders += std::string(provider->name()) + " " + provider->version() + "\n";
  return "kernels-" + profile.fingerprint + "-" + sha256_hex(contenders).substr(0, 8) + ".json";
}

}  // namespace

Result<std::vector<KernelChoice>> measure_kernels(const MachineOptions& options) {
  SISKIN_TRY(const Isa* isa, select_isa(options.isa));
  MachineOptions known;
  known.isa = options.isa;
  known.use_cache = false;
  known.measure = false;
  SISKIN_TRY(const auto profile, machine_profile(known));
  const std::string file = choices_file(*profile);
  if (options.use_cache) {
    if (auto cached = choices_from_json(read_cache(file))) return *std::move(cached);
  }
  std::vector<KernelChoice> choices;
  if (!options.measure) return choices;

  constexpr double kTotal = kTypes.size() * kCols.size() * kBatches.size();
  for (DType type : kTypes) {
    for (size_t cols : kCols) {
      const SampleMatrix matrix = sample_matrix(type, kPanels * kPanelRows, cols, 1);
      const SampleRows rows = sample_rows(isa->complete, kBatches.back(), cols, 2);
      for (size_t m : kBatches) {
        choices.push_back(compete(isa->complete, matrix, rows, m));
        if (options.on_progress) options.on_progress(static_cast<double>(choices.size()) / kTotal);
      }
    }
  }
  if (options.use_cache) {
    // As with the profile: an unwritable cache costs the next call a measurement.
    [[maybe_unused]] const Status written = write_cache(file, choices_to_json(choices));
  }
  return choices;
}

}  // namespace siskin
