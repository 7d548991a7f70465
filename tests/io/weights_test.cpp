#include "emotion/io/weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/random.h"

namespace emotion {
namespace {

using ::testing::HasSubstr;

const std::string kFixtures = std::string(EMOTION_TEST_DATA) + "/fixtures";

class SafetensorsTest : public ::testing::Test {
 protected:
  std::filesystem::path file() const { return folder_.path() / "f.safetensors"; }
  /// What reading `header` and `data` says, without the path.
  std::string error(const std::string& header, const std::string& data = "") {
    const std::uint64_t size = header.size();
    write_text(file(), std::string(reinterpret_cast<const char*>(&size), 8) + header + data);
    const std::string text = error_of<WeightsError>([&] { read_safetensors(file()); });
    return text == "no error" ? text : text.substr(file().string().size() + 2);
  }
  static std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                            const std::string& offsets) {
    return fmt::format("\"{}\":{{\"dtype\":\"{}\",\"shape\":{},\"data_offsets\":{}}}", name, dtype, shape, offsets);
  }
  ScratchFolder folder_;
};

TEST_F(SafetensorsTest, EveryTypeComesBack) {
  StateDict state;
  state.metadata = {{"classes", "[\"awe\"]"}, {"task", "textcnn"}};
  for (const auto type :
       {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kLong, at::kInt, at::kShort, at::kChar, at::kByte, at::kBool}) {
    state.add(c10::toString(type), at::arange(6).view({2, 3}).to(type));
  }
  state.add("scalar", at::ones({}));
  state.add("nothing", at::ones({0, 3}));
  state.add("strided", at::arange(6, at::kFloat).view({2, 3}).t());
  write_safetensors(file(), state);
  const std::string bytes = read_file(file());
  const StateDict read = read_safetensors(file());
  EXPECT_EQ(read.metadata, state.metadata);
  EXPECT_EQ(read_safetensors_metadata(file()), state.metadata);
  ASSERT_EQ(read.entries.size(), state.entries.size());
  for (const auto& [name, value] : state.entries) EXPECT_TRUE(at::equal(*read.find(name), value)) << name;
  write_safetensors(file(), state);
  EXPECT_EQ(read_file(file()), bytes) << "the same tensors give the same bytes";
}

TEST_F(SafetensorsTest, WhatDoesNotFitIsRefused) {
  const std::string four = "abcd";
  EXPECT_EQ(error("{}"), "no error");
  EXPECT_EQ(error("{" + tensor("a", "F32", "[1]", "[0,4]") + "}", four), "no error");
  EXPECT_EQ(error("nonsense"), "not a safetensors file: the header is not valid JSON");
  EXPECT_EQ(error("[]"), "not a safetensors file: the header is not a JSON object");
  EXPECT_EQ(error("{" + tensor("a", "F32", "[1]", "[0,8]") + "}", four),
            "tensor a: bytes 0 to 8 lie outside the file's 4 bytes of data; the file may be truncated");
  EXPECT_EQ(error("{" + tensor("a", "F32", "[2]", "[0,4]") + "}", four),
            "tensor a: its shape wants 8 bytes, data_offsets give 4");
  EXPECT_EQ(error("{" + tensor("a", "F8", "[1]", "[0,4]") + "}", four), "tensor a: dtype F8 is not known");
  EXPECT_EQ(error("{" + tensor("a", "F32", "[-1]", "[0,4]") + "}", four),
            "tensor a: a length of the shape is not a whole number");
  EXPECT_EQ(error("{" + tensor("a", "F32", "[1099511627776,1099511627776]", "[0,4]") + "}", four),
            "tensor a: the shape is larger than any file");
  EXPECT_EQ(error("{" + tensor("a", "U8", "[4]", "[0,4]") + "," + tensor("b", "U8", "[2]", "[2,4]") + "}", four),
            "tensor b overlaps another");
  EXPECT_EQ(error("{" + tensor("a", "U8", "[2]", "[2,4]") + "}", four), "2 bytes before tensor a belong to no tensor");
  EXPECT_EQ(error("{" + tensor("a", "U8", "[2]", "[0,2]") + "}", four), "2 bytes at the end belong to no tensor");
  EXPECT_EQ(error("{" + tensor("a", "U8", "[2]", "[0,2]") + "," + tensor("a", "U8", "[2]", "[2,4]") + "}", four),
            "the header names 'a' twice");
  EXPECT_EQ(error("{\"a\":{\"dtype\":\"F32\"}}"), "tensor a: dtype, shape and data_offsets are wanted");
  EXPECT_EQ(error("{\"__metadata__\":{\"a\":1}}"), "__metadata__ a is not text");
  write_text(file(), std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10));
  EXPECT_EQ(error_of<WeightsError>([&] { read_safetensors(file()); }),
            file().string() + ": not a safetensors file, or truncated: a header of 9223372036854775807 bytes in a file of 10");
}

TEST_F(SafetensorsTest, MutatedFilesAreReadOrRefusedButNeverCrash) {
  StateDict state;
  state.metadata = {{"task", "x"}};
  state.add("weight", at::arange(8, at::kFloat));
  state.add("bias", at::arange(3));
  write_safetensors(file(), state);
  const std::string whole = read_file(file());
  Random random{1};
  for (int i = 0; i < 3000; ++i) {
    std::string mutated = whole.substr(0, i % 3 ? whole.size() : random.below(whole.size() + 1));
    for (int flips = 0; flips < 3 && !mutated.empty(); ++flips)
      mutated[random.below(mutated.size())] = static_cast<char>(random());
    write_text(file(), mutated);
    try {
      read_safetensors(file());
    } catch (const WeightsError&) {
    }
  }
}

/// Files by tests/reference/make_pth_fixtures.py.
TEST(PthTest, BothFormsOfTorchSaveAreRead) {
  for (const char* name : {"zip.pth", "legacy.pth", "nested.pth", "parallel.pth"}) {
    const StateDict state = read_weights(kFixtures + "/" + name);
    ASSERT_EQ(state.entries.size(), 5U) << name;
    EXPECT_TRUE(at::equal(*state.find("fc.weight"), at::arange(6, at::kFloat).view({2, 3}) / 2)) << name;
    EXPECT_TRUE(at::equal(*state.find("fc.transposed"), (at::arange(6, at::kFloat).view({2, 3}) / 2).t())) << name;
    EXPECT_TRUE(at::equal(*state.find("fc.row"), at::arange(3, 6, at::kFloat) / 2)) << name;
    EXPECT_TRUE(at::equal(*state.find("bn.num_batches_tracked"), at::arange(7, 8)[0])) << name;
    EXPECT_EQ(state.find("half")->scalar_type(), at::kHalf) << name;
  }
}

TEST(PthTest, PlainPicklesOfNumpyArrays) {
  for (const char* name : {"numpy2.pkl", "numpy4.pkl"}) {
    const StateDict state = read_weights(kFixtures + "/" + name);
    ASSERT_EQ(state.entries.size(), 4U) << name;
    const at::Tensor weight = at::arange(6, at::kFloat).view({2, 3}) / 2;
    EXPECT_TRUE(at::equal(*state.find("fc.weight"), weight)) << name;
    EXPECT_TRUE(at::equal(*state.find("fc.transposed"), weight.t())) << name;
    EXPECT_TRUE(at::equal(*state.find("big"), weight.to(at::kDouble))) << name;
    EXPECT_TRUE(at::equal(*state.find("bytes"), at::arange(250, 256, at::kByte))) << name;
  }
}

/// Also read by torch.load(weights_only=True): tests/reference/check_convert.py.
TEST(PthTest, WhatIsWrittenComesBack) {
  const ScratchFolder folder;
  StateDict state;
  state.add("fc.weight", at::arange(6, at::kFloat).view({2, 3}).t());  // not contiguous
  state.add("steps", at::arange(7, 8)[0]);
  state.add("empty", at::empty({0, 4}));
  for (const auto type : {at::kDouble, at::kHalf, at::kBFloat16, at::kInt, at::kShort, at::kChar, at::kByte, at::kBool})
    state.add(c10::toString(type), at::ones({3}, type));
  write_pth(folder.path() / "a.pth", state);
  const StateDict read = read_weights(folder.path() / "a.pth");
  ASSERT_EQ(read.entries.size(), state.entries.size());
  for (std::size_t i = 0; i < state.entries.size(); ++i) {
    EXPECT_EQ(read.entries[i].name, state.entries[i].name);
    EXPECT_EQ(read.entries[i].tensor.scalar_type(), state.entries[i].tensor.scalar_type());
    EXPECT_TRUE(at::equal(read.entries[i].tensor, state.entries[i].tensor)) << state.entries[i].name;
  }
  write_pth(folder.path() / "b.pth", state);
  EXPECT_EQ(read_file(folder.path() / "a.pth"), read_file(folder.path() / "b.pth")) << "the same bytes";
  state.add("steps", at::ones({1}));
  EXPECT_EQ(error_of<WeightsError>([&] { write_pth(folder.path() / "c.pth", state); }),
            (folder.path() / "c.pth").string() + ": tensor steps would be written twice");
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "c.pth"));
}

/// What zip readers of other kinds rely on: stored entries, data at multiples of 64 bytes.
TEST(PthTest, TheZipIsStoredAndAligned) {
  const ScratchFolder folder;
  StateDict state;
  state.add("a", at::ones({3}));
  state.add("b", at::ones({5}));
  write_pth(folder.path() / "a.pth", state);
  const std::string bytes = read_file(folder.path() / "a.pth");
  const auto number = [&](std::size_t at, std::size_t size) {
    std::size_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value |= static_cast<std::size_t>(static_cast<unsigned char>(bytes[at + i])) << 8 * i;
    return value;
  };
  std::vector<std::string> names;
  for (std::size_t at = bytes.find("PK\x01\x02"); bytes.compare(at, 4, "PK\x01\x02") == 0;) {  // the central directory
    const std::size_t name = number(at + 28, 2), local = number(at + 42, 4);
    EXPECT_EQ(number(at + 10, 2), 0U) << "stored";
    names.push_back(bytes.substr(at + 46, name));
    EXPECT_EQ((local + 30 + number(local + 26, 2) + number(local + 28, 2)) % 64, 0U) << names.back();
    at += 46 + name + number(at + 30, 2) + number(at + 32, 2);
  }
  ASSERT_FALSE(names.empty());
  const auto root = names[0].substr(0, names[0].find('/'));
  for (const char* name : {"/data.pkl", "/byteorder", "/data/0", "/data/1", "/version"})
    EXPECT_EQ(std::count(names.begin(), names.end(), root + name), 1) << name;
}

TEST(PthTest, NothingIsExecuted) {
  const std::string marker = "/tmp/emotion_pickle_was_executed";
  std::filesystem::remove(marker);
  for (const char* name : {"hostile_zip.pth", "hostile_legacy.pth"}) {
    EXPECT_THAT(error_of<WeightsError>([&] { read_weights(kFixtures + "/" + name); }),
                HasSubstr("refused: it wants to call posix.system; only state_dicts are read"));
  }
  EXPECT_FALSE(std::filesystem::exists(marker));
}

TEST(PthTest, DeepNestingAndHugeLengthsAreRefused) {
  const ScratchFolder folder;
  const auto error = [&](const std::string& pickle) {
    write_text(folder.path() / "p.pth", pickle);
    return error_of<WeightsError>([&] { read_weights(folder.path() / "p.pth"); });
  };
  EXPECT_THAT(error("\x80\x02" + std::string(400000, ']') + std::string(399999, 'a') + "."), HasSubstr("p.pth"));
  EXPECT_THAT(error(std::string("\x80\x02X\xff\xff\xff\xff", 7) + "abc."), HasSubstr("truncated"));
  EXPECT_THAT(error(std::string("\x80\x02h\x05......", 10)), HasSubstr("a value that was not stored is read"));
  EXPECT_THAT(error("\x80\x02"
                    "cos\nsystem\n."),
              HasSubstr("refused: it wants to call os.system"));
  EXPECT_THAT(error("<html>not found</html>"), HasSubstr("not a weights file: neither safetensors nor torch.save's forms"));
}

TEST(PthTest, CutFilesAreRefused) {
  const ScratchFolder folder;
  for (const char* name : {"zip.pth", "legacy.pth", "numpy2.pkl"}) {
    const std::string whole = read_file(kFixtures + "/" + name);
    for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 60) {
      write_text(folder.path() / "cut.pth", whole.substr(0, size));
      EXPECT_NE(error_of<Error>([&] { read_weights(folder.path() / "cut.pth"); }), "no error") << name << " " << size;
    }
  }
}

}  // namespace
}  // namespace emotion
