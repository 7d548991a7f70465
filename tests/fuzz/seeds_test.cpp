// Every seed of fuzz/seeds, whole and cut, goes through its target: a target reads or catches an emotion::Error; all else ends
// the test.
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "emotion/io/file.h"
#include "emotion/log.h"

extern "C" {
int fuzz_config(const std::uint8_t* data, std::size_t size);
int fuzz_csv(const std::uint8_t* data, std::size_t size);
int fuzz_jpeg(const std::uint8_t* data, std::size_t size);
int fuzz_manifest(const std::uint8_t* data, std::size_t size);
int fuzz_npy(const std::uint8_t* data, std::size_t size);
int fuzz_npz(const std::uint8_t* data, std::size_t size);
int fuzz_pickle(const std::uint8_t* data, std::size_t size);
int fuzz_plain_pickle(const std::uint8_t* data, std::size_t size);
int fuzz_safetensors(const std::uint8_t* data, std::size_t size);
int fuzz_tar(const std::uint8_t* data, std::size_t size);
int fuzz_tfevents(const std::uint8_t* data, std::size_t size);
int fuzz_word2vec(const std::uint8_t* data, std::size_t size);
}

namespace emotion {
namespace {

namespace fs = std::filesystem;

using Target = int (*)(const std::uint8_t*, std::size_t);

const std::map<std::string, Target>& targets() {
  static const std::map<std::string, Target> all{{"config", fuzz_config},
                                                 {"csv", fuzz_csv},
                                                 {"jpeg", fuzz_jpeg},
                                                 {"manifest", fuzz_manifest},
                                                 {"npy", fuzz_npy},
                                                 {"npz", fuzz_npz},
                                                 {"pickle", fuzz_pickle},
                                                 {"plain_pickle", fuzz_plain_pickle},
                                                 {"safetensors", fuzz_safetensors},
                                                 {"tar", fuzz_tar},
                                                 {"tfevents", fuzz_tfevents},
                                                 {"word2vec", fuzz_word2vec}};
  return all;
}

const fs::path kFuzz = fs::path(EMOTION_TEST_DATA) / "../../fuzz";

TEST(FuzzSeeds, EveryTargetIsHereAndHasSome) {
  std::set<std::string> wanted, sources, seeds;
  for (const auto& [name, target] : targets()) wanted.insert(name);
  for (const auto& entry : fs::directory_iterator(kFuzz)) {
    if (entry.path().extension() == ".cpp") sources.insert(entry.path().stem().string());
  }
  for (const auto& entry : fs::directory_iterator(kFuzz / "seeds")) {
    if (!fs::is_empty(entry.path())) seeds.insert(entry.path().filename().string());
  }
  EXPECT_EQ(sources, wanted);
  EXPECT_EQ(seeds, wanted);
}

class FuzzSeedsTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { set_log_level(LogLevel::kOff); }
};

TEST_P(FuzzSeedsTest, IsReadOrRefused) {
  for (const auto& entry : fs::directory_iterator(kFuzz / "seeds" / GetParam())) {
    const std::string seed = read_file(entry.path());
    for (std::size_t part = 16; part > 0; --part) {
      const std::size_t size = seed.size() * part / 16;
      EXPECT_EQ(targets().at(GetParam())(reinterpret_cast<const std::uint8_t*>(seed.data()), size), 0) << entry.path();
    }
  }
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& [name, target] : targets()) all.push_back(name);
  return all;
}
INSTANTIATE_TEST_SUITE_P(Of, FuzzSeedsTest, ::testing::ValuesIn(names()), [](const auto& target) { return target.param; });

}  // namespace
}  // namespace emotion
