// The simulated engine's server, scorer and files.
#include "tests/selector/fake_engine.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>
#include <iterator>

#include "selector/random.h"

namespace siskin::selector::test {
namespace {

std::string contents(const std::filesystem::path& path) {
  std::ifstream in(path);
  return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

ModelInfo info_of(const FakeModel& model, const std::string& key) {
  ModelInfo info;
  info.name = key;
  info.type = key.substr(key.find(' ') + 1);
  info.n_vocab = 4096;
  info.d_model = 256;
  info.total_params = info.active_params = static_cast<uint64_t>(model.active_mb * 1e6 / 2);
  info.weight_bytes = static_cast<uint64_t>(model.weight_mb * 1e6);
  info.active_weight_bytes = static_cast<uint64_t>(model.active_mb * 1e6);
  info.memory_needed_bytes = static_cast<uint64_t>(model.memory_mb * 1e6);
  info.bits_per_weight = 16;
  return info;
}

class FakeServer final : public Server {
 public:
  FakeServer(const FakeModel& model, FakeClock& clock, int& served, size_t max_requests)
      : model_(model), clock_(clock), served_(served), max_requests_(max_requests) {}

  Result<RequestId> submit(Request request) override {
    running_.push_back({next_id_, std::move(request), 0});
    return next_id_++;
  }

  Result<bool> step() override {
    const size_t active = std::min(running_.size(), max_requests_);
    if (active == 0) return false;
    double ms = model_.step_ms + model_.per_request_ms * static_cast<double>(active);
    for (size_t i = 0; i < active; ++i) {
      if (running_[i].generated == 0 && random_.uniform() < model_.tail_share) ms += model_.tail_ms;
    }
    clock_.advance(ms * 1e-3);
    for (size_t i = 0; i < active; ++i) {
      Running& one = running_[i];
      if (one.request.on_token) one.request.on_token({0, "", one.generated});
      if (++one.generated == one.request.max_new_tokens) finish(one);
    }
    std::erase_if(running_, [](const Running& one) { return one.generated == one.request.max_new_tokens; });
    return !running_.empty();
  }

  std::optional<Completion> take(RequestId id) override {
    const auto found = done_.find(id);
    if (found == done_.end()) return std::nullopt;
    Completion completion = std::move(found->second);
    done_.erase(found);
    return completion;
  }

 private:
  struct Running {
    RequestId id;
    Request request;
    size_t generated;
  };

  void finish(const Running& one) {
    Completion completion;
    completion.cost.decode.tokens = one.request.max_new_tokens - 1;
    completion.cost.decode.weight_bytes = completion.cost.decode.tokens * static_cast<uint64_t>(model_.active_mb * 1e6);
    done_[one.id] = std::move(completion);
    ++served_;
  }

  FakeModel model_;
  FakeClock& clock_;
  int& served_;
  size_t max_requests_;
  Random random_{42};
  RequestId next_id_ = 1;
  std::vector<Running> running_;
  std::map<RequestId, Completion> done_;
};

class FakeLoaded final : public LoadedModel {
 public:
  FakeLoaded(FakeBackend& backend, const FakeModel& model, ModelInfo info)
      : backend_(backend), model_(model), info_(std::move(info)) {}

  const ModelInfo& info() const override { return info_; }
  Result<std::vector<TokenId>> tokenize(std::string_view text) const override {
    return std::vector<TokenId>(text.size() / 4 + 1, 1);
  }

  Result<std::vector<DocumentScore>> score_documents(std::span<const std::string> documents,
                                                     const ScoreOptions& options) override {
    std::vector<DocumentScore> out;
    for (size_t i = 0; i < documents.size(); ++i) {
      if (options.on_progress && !options.on_progress(i, documents.size())) return Error{ErrorCode::cancelled, "cancelled"};
      Random hard(i);  // how hard a document is, the same for every model; the second draw is the model's own luck
      const double difficulty = 1 + 0.2 * (hard.uniform() - 0.5);
      Random own(i * 31 + static_cast<uint64_t>(model_.bits_per_byte * 1e6));
      const double luck = 1 + 0.01 * (own.uniform() - 0.5);
      const double bytes = static_cast<double>(documents[i].size());
      out.push_back(
          {bytes * model_.bits_per_byte * std::log(2.0) * difficulty * luck, documents[i].size() / 4, documents[i].size()});
    }
    ++backend_.scored;
    return out;
  }

  Result<std::vector<ChoiceScore>> score_choices(std::span<const ChoiceItem> items, const ScoreOptions&) override {
    std::vector<ChoiceScore> out;
    for (size_t i = 0; i < items.size(); ++i) {
      Random hard(i);
      ChoiceScore score;
      score.correct = hard.uniform() < 1.5 / model_.bits_per_byte - 0.2;
      out.push_back(score);
    }
    ++backend_.scored;
    return out;
  }

  Result<std::unique_ptr<Server>> open_server(const SessionOptions& options) override {
    return std::unique_ptr<Server>(
        std::make_unique<FakeServer>(model_, backend_.fake_clock(), backend_.served, options.max_requests));
  }

 private:
  FakeBackend& backend_;
  FakeModel model_;
  ModelInfo info_;
};

}  // namespace

FakeBackend::FakeBackend() {
  profile.cpu = "simulated";
  profile.isa = "ref";
  profile.threads = 2;
  profile.memory_bytes = 64'000'000'000;
  profile.read_gb_s = {{2, 1, 200}, {2, 64, 40}, {1, 64, 25}};
  profile.read_gb_s_max = 200;
  profile.peak_f32 = 200;
  profile.peak_int8_vector = 800;
  profile.fingerprint = "simulated-machine";
}

Result<ModelInfo> FakeBackend::inspect(const std::filesystem::path& path, size_t) {
  const std::string key = contents(path);
  const auto found = models.find(key);
  if (found == models.end()) return Error{ErrorCode::corrupt_file, path.string() + ": not a model"};
  return info_of(found->second, key);
}

Status FakeBackend::quantize(const std::filesystem::path& in, const std::filesystem::path& out, const std::string& type) {
  const std::string source = contents(in);
  std::ofstream(out) << source.substr(0, source.find(' ')) << ' ' << type;
  ++quantized;
  return {};
}

Result<std::unique_ptr<LoadedModel>> FakeBackend::load(const std::filesystem::path& path, size_t ctx) {
  auto info = inspect(path, ctx);
  if (!info) return info.error();
  const FakeModel& model = models.at(contents(path));
  if (model.fails_to_load) return Error{ErrorCode::out_of_memory, "would need more memory than there is"};
  ++loads;
  return std::unique_ptr<LoadedModel>(std::make_unique<FakeLoaded>(*this, model, *info));
}

TempDir::TempDir() {
  static std::atomic<int> next{0};
  path_ = std::filesystem::temp_directory_path() /
          ("siskin-selector-test-" + std::to_string(getpid()) + "-" + std::to_string(next++));
  std::filesystem::create_directories(path_);
}

TempDir::~TempDir() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

std::filesystem::path TempDir::write(const std::string& name, const std::string& text) const {
  std::ofstream(path_ / name, std::ios::binary) << text;
  return path_ / name;
}

std::string held_out_text() {
  std::string out;
  for (int document = 0; document < 40; ++document) {
    std::string paragraph;
    while (paragraph.size() < 1005) paragraph += "some words of document " + std::to_string(document) + " ";
    out += paragraph + "\n\n";
  }
  return out;
}

}  // namespace siskin::selector::test
