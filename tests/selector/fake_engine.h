// A simulated engine with its own clock: steps cost what a model's row says, files hold the name of the row.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "selector/backend.h"
#include "selector/run.h"

namespace siskin::selector::test {

struct FakeModel {
  double step_ms = 0.1;          // of one step, whatever it runs
  double per_request_ms = 0.02;  // added for each request in the step
  double tail_share = 0;         // of the requests, whose first step takes tail_ms more
  double tail_ms = 0;
  double bits_per_byte = 1.5;
  double weight_mb = 8;
  double active_mb = 8;
  double memory_mb = 10;
  bool fails_to_load = false;
};

class FakeClock final : public Clock {
 public:
  double now() override { return now_; }
  void sleep_until(double seconds) override { now_ = std::max(now_, seconds); }
  void advance(double seconds) { now_ += seconds; }

 private:
  double now_ = 0;
};

class FakeBackend final : public Backend {
 public:
  std::map<std::string, FakeModel> models;  // by what a model file contains: "big f16"
  MachineProfile profile;
  int loads = 0, scored = 0, served = 0, quantized = 0;

  FakeBackend();
  Clock& clock() override { return clock_; }
  FakeClock& fake_clock() { return clock_; }
  std::string engine_version() override { return "test"; }
  Result<std::shared_ptr<const MachineProfile>> machine() override { return std::make_shared<const MachineProfile>(profile); }
  Result<ModelInfo> inspect(const std::filesystem::path& path, size_t ctx) override;
  Status quantize(const std::filesystem::path& in, const std::filesystem::path& out, const std::string& type) override;
  Result<std::unique_ptr<LoadedModel>> load(const std::filesystem::path& path, size_t ctx) override;

 private:
  FakeClock clock_;
};

// A folder of its own, removed at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, const std::string& text) const;

 private:
  std::filesystem::path path_;
};

// Forty documents of about a kilobyte.
std::string held_out_text();

}  // namespace siskin::selector::test
