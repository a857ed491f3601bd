// siskin behind the selector's Backend interface; the one file of the selector that calls the engine.
#include "selector/engine_backend.h"

#include <siskin/quantize.h>
#include <siskin/version.h>

#include <chrono>
#include <thread>
#include <utility>

#include "selector/try.h"

namespace siskin::selector {
namespace {

class SteadyClock final : public Clock {
 public:
  double now() override { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
  void sleep_until(double seconds) override {
    std::this_thread::sleep_until(
        start_ + std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(seconds)));
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

class EngineServer final : public Server {
 public:
  explicit EngineServer(std::unique_ptr<Session> session) : session_(std::move(session)) {}
  Result<RequestId> submit(Request request) override { return session_->submit(std::move(request)); }
  Result<bool> step() override { return session_->step(); }
  std::optional<Completion> take(RequestId id) override { return session_->take(id); }

 private:
  std::unique_ptr<Session> session_;
};

class EngineModel final : public LoadedModel {
 public:
  explicit EngineModel(std::shared_ptr<const Model> model) : model_(std::move(model)) {}

  const ModelInfo& info() const override { return model_->info(); }
  Result<std::vector<TokenId>> tokenize(std::string_view text) const override { return model_->tokenize(text); }

  Result<std::vector<DocumentScore>> score_documents(std::span<const std::string> documents,
                                                     const ScoreOptions& options) override {
    return siskin::score_documents(model_, documents, eval_options(options));
  }
  Result<std::vector<ChoiceScore>> score_choices(std::span<const ChoiceItem> items, const ScoreOptions& options) override {
    return siskin::score_choices(model_, items, eval_options(options));
  }
  Result<std::unique_ptr<Server>> open_server(const SessionOptions& options) override {
    SISKIN_TRY(auto session, Session::create(model_, options));
    return std::unique_ptr<Server>(std::make_unique<EngineServer>(std::move(session)));
  }

 private:
  static EvalOptions eval_options(const ScoreOptions& options) {
    EvalOptions out;
    out.ctx = options.ctx;
    out.path = options.path;
    out.threads = options.threads;
    out.on_progress = options.on_progress;
    return out;
  }

  std::shared_ptr<const Model> model_;
};

class EngineBackend final : public Backend {
 public:
  explicit EngineBackend(std::function<void(double)> on_machine_progress)
      : on_machine_progress_(std::move(on_machine_progress)) {}

  Clock& clock() override { return clock_; }
  std::string engine_version() override { return version(); }
  Result<std::shared_ptr<const MachineProfile>> machine() override {
    MachineOptions options;
    options.on_progress = on_machine_progress_;
    return machine_profile(options);
  }
  Result<ModelInfo> inspect(const std::filesystem::path& path, size_t ctx) override { return Model::inspect(path, ctx); }
  Status quantize(const std::filesystem::path& in, const std::filesystem::path& out, const std::string& type) override {
    QuantizeOptions options;
    options.type = type;
    auto report = quantize_model(in, out, options);
    if (!report) return report.error();
    return {};
  }
  Result<std::unique_ptr<LoadedModel>> load(const std::filesystem::path& path, size_t ctx) override {
    LoadOptions options;
    options.ctx = ctx;
    SISKIN_TRY(auto model, Model::load(path, options));
    return std::unique_ptr<LoadedModel>(std::make_unique<EngineModel>(std::move(model)));
  }

 private:
  SteadyClock clock_;
  std::function<void(double)> on_machine_progress_;
};

}  // namespace

std::unique_ptr<Backend> engine_backend(std::function<void(double)> on_machine_progress) {
  return std::make_unique<EngineBackend>(std::move(on_machine_progress));
}

}  // namespace siskin::selector
