// Backend: what the selector needs of an engine and of time. The program passes siskin itself; tests pass a simulated one.
#pragma once

#include <siskin/eval.h>
#include <siskin/machine.h>
#include <siskin/model.h>
#include <siskin/result.h>
#include <siskin/session.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace siskin::selector {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual double now() = 0;  // seconds, monotonic
  virtual void sleep_until(double seconds) = 0;
};

// A running server of one model: the four calls of siskin::Session that a load generator makes.
class Server {
 public:
  virtual ~Server() = default;
  virtual Result<RequestId> submit(Request request) = 0;
  virtual Result<bool> step() = 0;
  virtual std::optional<Completion> take(RequestId id) = 0;
};

struct ScoreOptions {
  EvalPath path = EvalPath::decode;
  unsigned threads = 0;
  size_t ctx = 512;
  std::function<bool(size_t done, size_t total)> on_progress;  // false cancels
};

class LoadedModel {
 public:
  virtual ~LoadedModel() = default;
  virtual const ModelInfo& info() const = 0;
  virtual Result<std::vector<TokenId>> tokenize(std::string_view text) const = 0;
  virtual Result<std::vector<DocumentScore>> score_documents(std::span<const std::string> documents,
                                                             const ScoreOptions& options) = 0;
  virtual Result<std::vector<ChoiceScore>> score_choices(std::span<const ChoiceItem> items, const ScoreOptions& options) = 0;
  virtual Result<std::unique_ptr<Server>> open_server(const SessionOptions& options) = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual Clock& clock() = 0;
  virtual Result<std::shared_ptr<const MachineProfile>> machine() = 0;
  virtual std::string engine_version() = 0;
  virtual Result<ModelInfo> inspect(const std::filesystem::path& path, size_t ctx) = 0;
  virtual Status quantize(const std::filesystem::path& in, const std::filesystem::path& out, const std::string& type) = 0;
  virtual Result<std::unique_ptr<LoadedModel>> load(const std::filesystem::path& path, size_t ctx) = 0;
};

}  // namespace siskin::selector
