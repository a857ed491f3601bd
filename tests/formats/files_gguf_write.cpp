// What write_gguf writes, parse_gguf reads back; and what it does when the disk, the caller or the tensors say no.
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdio>
#include <limits>

#include "tests/formats/files_support.h"

namespace siskin {
namespace {

using testing::pattern_source;
using testing::TempFolder;

Metadata every_kind() {
  Metadata m;
  m.set("general.architecture", std::string("llama"));
  m.set("bool", true);
  m.set("small", uint64_t{7});
  m.set("large", uint64_t{1} << 40);
  m.set("negative", int64_t{-7});
  m.set("far", -(int64_t{1} << 40));
  m.set("half", 0.5);
  m.set("beyond f32", 1e300);
  m.set("bools", std::vector<bool>{true, false});
  m.set("ints", std::vector<int64_t>{-1, 2});
  m.set("wide ints", std::vector<int64_t>{1, int64_t{1} << 40});
  m.set("floats", std::vector<double>{0.25, -1.5});
  m.set("strings", std::vector<std::string>{"", "two", std::string("\0\xff", 2)});
  m.set("empty", std::vector<std::string>{});
  return m;
}

TEST_CASE("a written GGUF file is read back whole", "[files]") {
  const TempFolder folder;
  const Metadata metadata = every_kind();
  const std::vector<GgufTensorSource> sources = {
      pattern_source("token_embd.weight", DType::Q4_0, {5, 64}), pattern_source("norm", DType::F32, {3}),
      pattern_source("exps", DType::Q8_0, {4, 3, 32}, 4), pattern_source("four", DType::F16, {2, 3, 1, 7}),
      pattern_source("last", DType::BF16, {1, 1})};
  REQUIRE(write_gguf(folder / "out.gguf", metadata, sources));
  CHECK(folder.entries() == 1);
  const std::string bytes = testing::read_file(folder / "out.gguf");
  CHECK(bytes.size() % 32 == 0);
  const auto contents = parse_gguf(testing::as_bytes(bytes), "out.gguf");
  REQUIRE(contents);
  CHECK(contents->version == 3);
  CHECK(contents->metadata.all() == metadata.all());
  REQUIRE(contents->tensors.size() == sources.size());
  for (size_t t = 0; t < sources.size(); ++t) {
    const TensorView& view = contents->tensors[t];
    CHECK(view.name == sources[t].name);
    CHECK(view.type == sources[t].type);
    CHECK(view.shape == sources[t].shape);
    REQUIRE(view.slices.size() == sources[t].n_slices);
    REQUIRE(view.slice_bytes == sources[t].slice_bytes);
    size_t wrong = 0;
    for (size_t s = 0; s < view.slices.size(); ++s) {
      for (size_t i = 0; i < view.slice_bytes; ++i) wrong += view.slices[s][i] != testing::pattern_byte(view.name, s, i);
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("numbers are written in the types that llama.cpp asks for", "[files]") {
  const TempFolder folder;
  Metadata m;
  m.set("a", uint64_t{4294967295});
  m.set("b", int64_t{-1});
  m.set("c", 1e-5);  // not an f32, written as one
  REQUIRE(write_gguf(folder / "out.gguf", m, {}));
  testing::GgufBytes expected;
  expected.header(0, 3).u32_pair("a", 4294967295).key("b", 5).number(int32_t{-1}).key("c", 6).number(1e-5f).pad();
  CHECK(testing::read_file(folder / "out.gguf") == expected.str());
}

TEST_CASE("keys that describe the old file do not reach the new one", "[files]") {
  const TempFolder folder;
  Metadata m;
  m.set("general.alignment", uint64_t{64});
  m.set("split.count", uint64_t{3});
  m.set("split.no", uint64_t{1});
  m.set("split.tensors.count", int64_t{9});
  m.set("kept", true);
  REQUIRE(write_gguf(folder / "out.gguf", m, {}));
  const std::string bytes = testing::read_file(folder / "out.gguf");
  const auto contents = parse_gguf(testing::as_bytes(bytes), "out.gguf");
  REQUIRE(contents);
  CHECK(contents->metadata.all().size() == 1);
  CHECK(contents->metadata.has("kept"));
}

TEST_CASE("tensors that cannot be written are refused before anything is", "[files]") {
  const TempFolder folder;
  const auto refused = [&folder](const std::vector<GgufTensorSource>& sources) {
    const Status status = write_gguf(folder / "out.gguf", Metadata(), sources);
    REQUIRE_FALSE(status);
    CHECK(status.error().code == ErrorCode::invalid_argument);
    CHECK(folder.entries() == 0);
  };
  const GgufTensorSource good = pattern_source("a", DType::F32, {2, 3});
  refused({good, good});
  GgufTensorSource bad = good;
  bad.name = "";
  refused({bad});
  bad.name = std::string(65, 'x');
  refused({bad});
  bad.name = "a\nb";
  refused({bad});
  bad = good;
  bad.shape = {};
  refused({bad});
  bad.shape = {1, 1, 1, 2, 3};
  refused({bad});
  bad.shape = {2, 4};
  refused({bad});
  bad.shape = {0, 3};
  refused({bad});
  bad.shape = {size_t{1} << 40, size_t{1} << 40};
  refused({bad});
  bad = good;
  bad.type = DType::Q8_0;
  refused({bad});
  bad = good;
  bad.shape = {size_t{1} << 60};
  bad.slice_bytes = size_t{1} << 62;
  refused({bad});
  Metadata m;
  m.set("", true);
  CHECK(write_gguf(folder / "out.gguf", m, {}).error().code == ErrorCode::invalid_argument);
}

TEST_CASE("a write that fails or is cancelled leaves the old file and no other", "[files]") {
  const TempFolder folder;
  testing::write_file(folder / "out.gguf", "old");
  std::vector<GgufTensorSource> sources = {pattern_source("a", DType::F32, {1000}), pattern_source("b", DType::F32, {8})};
  const auto unchanged = [&folder] { return folder.entries() == 1 && testing::read_file(folder / "out.gguf") == "old"; };

  SECTION("cancelled by the callback") {
    const Status status = write_gguf(folder / "out.gguf", Metadata(), sources, [](size_t, size_t) { return false; });
    REQUIRE_FALSE(status);
    CHECK(status.error().code == ErrorCode::cancelled);
    CHECK(unchanged());
  }
  SECTION("the source fails") {
    sources[1].produce = [](size_t, std::span<std::byte>) -> Status { return Error{ErrorCode::io, "unplugged"}; };
    const Status status = write_gguf(folder / "out.gguf", Metadata(), sources);
    REQUIRE_FALSE(status);
    CHECK(status.error().message == "unplugged");
    CHECK(unchanged());
  }
  SECTION("no room for the file, found before the work") {
    struct rlimit old {};
    getrlimit(RLIMIT_FSIZE, &old);
    const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
    struct rlimit small = old;
    small.rlim_cur = 2048;
    setrlimit(RLIMIT_FSIZE, &small);
    size_t produced = 0;
    sources[0].produce = [&produced](size_t, std::span<std::byte>) -> Status {
      ++produced;
      return {};
    };
    const Status status = write_gguf(folder / "out.gguf", Metadata(), sources);
    setrlimit(RLIMIT_FSIZE, &old);
    std::signal(SIGXFSZ, old_handler);
    REQUIRE_FALSE(status);
    CHECK(status.error().code == ErrorCode::io);
    CHECK(produced == 0);
    CHECK(unchanged());
  }
  SECTION("the target is a folder") {
    std::filesystem::create_directory(folder / "folder");
    const Status status = write_gguf(folder / "folder", Metadata(), sources);
    REQUIRE_FALSE(status);
    CHECK(status.error().code == ErrorCode::io);
    CHECK(folder.entries() == 2);
  }
  SECTION("the folder is absent") {
    const Status status = write_gguf(folder / "absent/out.gguf", Metadata(), sources);
    REQUIRE_FALSE(status);
    CHECK(status.error().code == ErrorCode::not_found);
  }
}

TEST_CASE("a writer that is killed leaves the old file or the new one", "[files]") {
  const TempFolder folder;
  const std::vector<GgufTensorSource> sources = {pattern_source("a", DType::F32, {20000}),
                                                 pattern_source("b", DType::F32, {8})};
  Metadata old_one, new_one;
  old_one.set("is_new", false);
  new_one.set("is_new", true);
  for (useconds_t delay = 0; delay < 40; ++delay) {
    REQUIRE(write_gguf(folder / "out.gguf", old_one, sources));
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      const Status written = write_gguf(folder / "out.gguf", new_one, sources);
      _exit(written ? 0 : 1);
    }
    usleep(delay * 50);
    kill(child, SIGKILL);
    REQUIRE(waitpid(child, nullptr, 0) == child);
    const std::string bytes = testing::read_file(folder / "out.gguf");
    const auto contents = parse_gguf(testing::as_bytes(bytes), "out.gguf");
    REQUIRE(contents);
    CHECK(contents->tensors.size() == 2);
    CHECK(contents->tensors[0].slices[0][79999] == testing::pattern_byte("a", 0, 79999));
  }
}

TEST_CASE("a full disk is found before the work and leaves nothing behind", "[files]") {
  struct statvfs disk {};
  if (statvfs("/dev/shm", &disk) != 0 || access("/dev/shm", W_OK) != 0) {
    std::puts("skipped: a full disk: no writable /dev/shm");
    return;
  }
  const TempFolder folder("/dev/shm");
  GgufTensorSource source = pattern_source("a", DType::F32, {disk.f_blocks * disk.f_frsize / 4 + 1024});
  size_t produced = 0;
  source.produce = [&produced](size_t, std::span<std::byte>) -> Status {
    ++produced;
    return {};
  };
  const Status status = write_gguf(folder / "out.gguf", Metadata(), {&source, 1});
  REQUIRE_FALSE(status);
  INFO(status.error().message);
  CHECK(status.error().code == ErrorCode::io);
  CHECK(status.error().message.find("No space left") != std::string::npos);
  CHECK(produced == 0);
  CHECK(folder.entries() == 0);
}

TEST_CASE("progress counts up to the size of the file", "[files]") {
  const TempFolder folder;
  const std::vector<GgufTensorSource> sources = {pattern_source("a", DType::F32, {3, 4}, 3),
                                                 pattern_source("b", DType::F16, {5})};
  std::vector<size_t> seen;
  size_t expected = 0;
  REQUIRE(write_gguf(folder / "out.gguf", Metadata(), sources, [&](size_t done, size_t total) {
    seen.push_back(done);
    expected = total;
    return true;
  }));
  CHECK(seen.size() == 4);
  CHECK(std::is_sorted(seen.begin(), seen.end()));
  CHECK(seen.back() == expected);
  CHECK(expected == std::filesystem::file_size(folder / "out.gguf"));
}

TEST_CASE("a written file has the mode of any new file", "[files]") {
  const TempFolder folder;
  REQUIRE(write_gguf(folder / "out.gguf", Metadata(), {}));
  testing::write_file(folder / "plain", "x");
  struct stat ours {
  }, plain{};
  REQUIRE(stat((folder / "out.gguf").c_str(), &ours) == 0);
  REQUIRE(stat((folder / "plain").c_str(), &plain) == 0);
  CHECK(ours.st_mode == plain.st_mode);
}

}  // namespace
}  // namespace siskin
