// The trial log survives what happens to files.
#include "selector/trials.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "selector/hash.h"
#include "tests/selector/fake_engine.h"

using namespace siskin::selector;
using siskin::selector::test::TempDir;

TEST_CASE("trials are found again, and a line cut short is dropped", "[trials]") {
  const TempDir dir;
  const auto file = dir.path() / "trials.jsonl";
  {
    auto log = TrialLog::open(file);
    REQUIRE(log);
    REQUIRE(log->append("quality", "k1", "a:f16", {{"x", 1}}));
    REQUIRE(log->append("profile", "k1", "a:f16", {{"x", 2}}));
  }
  std::ofstream(file, std::ios::app) << "{\"kind\": \"quality\", \"key\": \"k2\", \"da";
  auto log = TrialLog::open(file);
  REQUIRE(log);
  CHECK(log->all().size() == 2);
  CHECK(log->find("quality", "k1")->at("x") == 1);
  CHECK(log->find("profile", "k1")->at("x") == 2);
  CHECK(log->find("quality", "k2") == nullptr);
  REQUIRE(log->append("quality", "k3", "a:f16", 3));
  CHECK(TrialLog::open(file)->all().size() == 3);  // the cut line did not swallow the new one
}

TEST_CASE("hashes are SHA-256", "[trials]") {
  CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const TempDir dir;
  CHECK(*sha256_of_path(dir.write("f", "abc")) == sha256("abc"));
  CHECK_FALSE(sha256_of_path(dir.path() / "absent"));
}
