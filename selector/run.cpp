// The order of work: what is ruled out costs nothing, the cheapest bound is measured first, every measurement is kept at once.
#include "selector/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "selector/choose.h"
#include "selector/hash.h"
#include "selector/try.h"
#include "selector/warnings.h"

namespace siskin::selector {
namespace {

// Goes into every trial's key: raise it when the way of measuring changes, so that old trials are not taken for new ones.
constexpr int kHarness = 1;
constexpr size_t kScoreCtx = 512;

Finding error_finding(const std::string& stage, const std::string& reason) {
  Finding finding;
  finding.kind = FailKind::error;
  finding.stage = stage;
  finding.rule = "error";
  finding.reason = reason;
  finding.cheapest_change = "mend the error, or take the candidate out";
  return finding;
}

class Runner {
 public:
  Runner(const Config& config, Backend& backend, const RunOptions& options)
      : config_(config), backend_(backend), options_(options) {}

  // Machine, candidates, bounds.
  Status prepare() {
    progress("machine", "", "measuring the machine", 0);
    SISKIN_TRY(machine_, backend_.machine());
    SISKIN_TRY(auto candidates, expand_candidates(config_, backend_, options_.out_dir / "variants"));
    for (Candidate& candidate : candidates) {
      CandidateResult entry;
      entry.candidate = std::move(candidate);
      apply_bounds(entry);
      result_.candidates.push_back(std::move(entry));
    }
    order_.resize(result_.candidates.size());
    std::iota(order_.begin(), order_.end(), size_t{0});
    std::stable_sort(order_.begin(), order_.end(), [&](size_t a, size_t b) {
      return result_.candidates[a].bounds.latency_ms < result_.candidates[b].bounds.latency_ms;
    });
    return {};
  }

  Status measure() {
    SISKIN_TRY(material_, load_material(config_));
    SISKIN_TRY(auto trials, TrialLog::open(options_.out_dir / "trials.jsonl"));
    trials_ = std::make_unique<TrialLog>(std::move(trials));
    SISKIN_TRY_STATUS(score_reference());
    for (const size_t index : order_) {
      CandidateResult& entry = result_.candidates[index];
      if (entry.status != CandidateStatus::ruled_out) SISKIN_TRY_STATUS(measure_candidate(entry));
      ++done_;
      if (config_.measure.stop == Stop::until_proven && passes_everywhere(entry, config_)) break;
    }
    return {};
  }

  RunOutcome conclude() {
    choose(result_, config_);
    for (const CandidateResult& entry : result_.candidates) {
      if (entry.profile && !noise_complaint(entry.profile->noise).empty()) result_.noisy = true;
    }
    if (options_.strict && result_.noisy) result_.exit_code = kExitNoisy;
    result_.warnings = find_warnings(result_, config_);
    auto json = result_json(result_, config_, *machine_, material_, backend_.engine_version());
    return {std::move(result_), std::move(json)};
  }

  RunResult take_plan() {
    result_.warnings = find_config_warnings(config_);
    return std::move(result_);
  }

 private:
  void progress(const std::string& stage, const std::string& candidate, const std::string& what, double fraction) const {
    if (options_.on_progress) options_.on_progress({stage, candidate, what, done_, result_.candidates.size(), fraction});
  }

  bool cancelled() const { return options_.cancelled && options_.cancelled(); }

  void apply_bounds(CandidateResult& entry) const {
    entry.bounds = compute_bounds(entry.candidate.info, config_.workload, *machine_);
    entry.findings = check_bounds(entry.bounds, config_, *machine_);
    if (!entry.findings.empty()) entry.status = CandidateStatus::ruled_out;
  }

  // The original is scored first, even one that is ruled out: everything is compared with it.
  Status score_reference() {
    for (CandidateResult& entry : result_.candidates) {
      if (!entry.candidate.is_reference) continue;
      std::unique_ptr<LoadedModel> model;
      if (const Status made = make_variant(entry.candidate, config_.workload, backend_); !made)
        return forgive(made.error(), reference_error_);
      auto scores = quality_of(entry, model);
      if (!scores) return forgive(scores.error(), reference_error_);
      reference_ = *std::move(scores);
    }
    return {};
  }

  // A candidate's own failure is a finding; an interruption or a full disk ends the run.
  static Status forgive(const Error& error, std::string& into) {
    if (error.code == ErrorCode::cancelled) return error;
    into = error.message;
    return {};
  }

  Status measure_candidate(CandidateResult& entry) {
    std::string failure;
    SISKIN_TRY_STATUS(forgive_all(measure_parts(entry), failure));
    if (!failure.empty()) entry.findings.push_back(error_finding("load", failure));
    if (entry.status != CandidateStatus::ruled_out) judge_candidate(entry, config_);
    return {};
  }

  static Status forgive_all(const Status& status, std::string& into) {
    if (status) return {};
    return forgive(status.error(), into);
  }

  Status measure_parts(CandidateResult& entry) {
    if (!entry.candidate.info_exact) {
      progress("variant", entry.candidate.name, "making the variant", 0);
      SISKIN_TRY_STATUS(make_variant(entry.candidate, config_.workload, backend_));
    }
    apply_bounds(entry);  // with the exact sizes
    if (entry.status == CandidateStatus::ruled_out) return {};
    std::unique_ptr<LoadedModel> model;
    SISKIN_TRY(const QualityScores scores, quality_of(entry, model));
    if (!reference_error_.empty()) return Error{ErrorCode::not_found, "the original could not be scored: " + reference_error_};
    const size_t compared = result_.candidates.size() - 1;
    entry.quality = check_quality(scores, reference_, entry.candidate.is_reference, compared, config_);
    entry.quality_path = scores.path;
    // With "until_proven" a candidate that is not good enough need not be timed; "all" completes the picture.
    if (entry.quality->finding && config_.measure.stop == Stop::until_proven) return {};
    SISKIN_TRY(entry.profile, profile_of(entry, model));
    entry.latency =
        check_latency(entry.profile->latency_ms, entry.profile->ttft_ms, config_.budget, declared_parts_seed(config_));
    return {};
  }

  Status ensure_loaded(const CandidateResult& entry, std::unique_ptr<LoadedModel>& model) {
    if (model) return {};
    progress("load", entry.candidate.name, "loading", 0);
    SISKIN_TRY(model, backend_.load(entry.candidate.file, std::max(kScoreCtx, request_ctx(config_.workload))));
    return {};
  }

  Result<QualityScores> quality_of(const CandidateResult& entry, std::unique_ptr<LoadedModel>& model) {
    const nlohmann::json key = {{"harness", kHarness},
                                {"engine", backend_.engine_version()},
                                {"isa", machine_->isa},
                                {"model", entry.candidate.content_hash},
                                {"material", material_.hash},
                                {"ctx", kScoreCtx},
                                {"path", "decode"}};
    const std::string id = sha256(key.dump());
    if (const auto* data = trials_->find("quality", id)) {
      auto scores = data->get<QualityScores>();
      if (scores.units.size() == material_.size()) return scores;
    }
    SISKIN_TRY_STATUS(ensure_loaded(entry, model));
    ScoreOptions options;
    options.ctx = kScoreCtx;
    options.on_progress = [&](size_t done, size_t total) {
      progress("quality", entry.candidate.name, "scoring held-out documents",
               static_cast<double>(done) / static_cast<double>(total));
      return !cancelled();
    };
    SISKIN_TRY(QualityScores scores, score_quality(*model, material_, config_.measure, options));
    SISKIN_TRY_STATUS(trials_->append("quality", id, entry.candidate.name, scores));
    return scores;
  }

  Result<Profile> profile_of(const CandidateResult& entry, std::unique_ptr<LoadedModel>& model) {
    const std::string id = sha256(profile_key(entry).dump());
    if (const auto* data = trials_->find("profile", id)) return data->get<Profile>();
    SISKIN_TRY_STATUS(ensure_loaded(entry, model));
    ProfileContext context{config_, backend_.clock(), machine_, material_.text, options_.cancelled, {}, options_.counters};
    context.on_progress = [&](const std::string& what, double fraction) {
      progress("profile", entry.candidate.name, what, fraction);
    };
    SISKIN_TRY(Profile profile, profile_candidate(*model, context));
    SISKIN_TRY_STATUS(trials_->append("profile", id, entry.candidate.name, profile));
    return profile;
  }

  // Everything that the measurement depends on; the budget is part of it, because the load steps down until it is met.
  nlohmann::json profile_key(const CandidateResult& entry) const {
    const auto limits = [](const PercentileLimits& from) {
      const auto number = [](const std::optional<double>& value) { return value.value_or(-1); };
      return nlohmann::json{number(from.p50), number(from.p95), number(from.p99)};
    };
    const auto part = [](const Part& from) {
      return nlohmann::json{static_cast<int>(from.kind), from.p50_ms, from.p99_ms, from.samples_ms};
    };
    const Measure& measure = config_.measure;
    return {{"harness", kHarness},
            {"engine", backend_.engine_version()},
            {"machine", machine_->fingerprint},
            {"isa", machine_->isa},
            {"model", entry.candidate.content_hash},
            {"prompts", sha256(material_.text)},
            {"workload",
             {config_.workload.prompt_tokens, config_.workload.output_tokens, static_cast<int>(config_.workload.arrivals),
              config_.workload.seed}},
            {"latency", limits(config_.budget.latency_ms)},
            {"ttft", limits(config_.budget.ttft_ms)},
            {"parts", {part(config_.budget.preprocess), part(config_.budget.network)}},
            {"confidence", config_.budget.confidence},
            {"headroom", config_.price.headroom},
            {"measure", {measure.requests.value_or(0), measure.seconds, measure.max_seconds, measure.threads}}};
  }

  const Config& config_;
  Backend& backend_;
  const RunOptions& options_;
  std::shared_ptr<const MachineProfile> machine_;
  Material material_;
  std::unique_ptr<TrialLog> trials_;
  std::vector<size_t> order_;  // cheapest bound first
  QualityScores reference_;
  std::string reference_error_;
  RunResult result_;
  size_t done_ = 0;
};

}  // namespace

Result<RunOutcome> run_selection(const Config& config, Backend& backend, const RunOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(options.out_dir, error);
  if (error) return Error{ErrorCode::io, fmt::format("{}: {}", options.out_dir.string(), error.message())};
  Runner runner(config, backend, options);
  SISKIN_TRY_STATUS(runner.prepare());
  SISKIN_TRY_STATUS(runner.measure());
  return runner.conclude();
}

Result<RunResult> plan_selection(const Config& config, Backend& backend, const RunOptions& options) {
  Runner runner(config, backend, options);
  SISKIN_TRY_STATUS(runner.prepare());
  return runner.take_plan();
}

}  // namespace siskin::selector
