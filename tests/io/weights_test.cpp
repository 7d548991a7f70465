#include "emotion/io/weights.h"

#include <ctime>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "../support/small_files.h"
#include "emotion/error.h"
#include "emotion/random.h"

namespace emotion {
namespace {

using namespace std::string_literals;
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

/// The bits by the formats' tables: E4M3 has bias 7 and ends at 448, E5M2 bias 15 and ends at 57344.
TEST_F(SafetensorsTest, SmallFloatsAndUnsignedNumbersByHand) {
  const std::string data = "\x38\xc0\x7e\x3c\xc0\x7b"s + "\xff\xff"s + "\xff\xff\xff\xff"s + "\x01\0\0\0\0\0\0\x80"s;
  EXPECT_EQ(error("{" + tensor("e4", "F8_E4M3", "[3]", "[0,3]") + "," + tensor("e5", "F8_E5M2", "[3]", "[3,6]") + "," +
                      tensor("u16", "U16", "[1]", "[6,8]") + "," + tensor("u32", "U32", "[1]", "[8,12]") + "," +
                      tensor("u64", "U64", "[]", "[12,20]") + "}",
                  data),
            "no error");
  const StateDict read = read_safetensors(file());
  EXPECT_TRUE(at::equal(read.find("e4")->to(at::kFloat), at::tensor({1.0F, -2.0F, 448.0F})));
  EXPECT_TRUE(at::equal(read.find("e5")->to(at::kFloat), at::tensor({1.0F, -2.0F, 57344.0F})));
  EXPECT_EQ(read.find("u16")->to(at::kLong).item<std::int64_t>(), 65535);
  EXPECT_EQ(read.find("u32")->to(at::kLong).item<std::int64_t>(), 4294967295);
  EXPECT_EQ(*read.find("u64")->const_data_ptr<std::uint64_t>(), (std::uint64_t{1} << 63) + 1);
  const auto copy = folder_.path() / "copy.safetensors";
  write_safetensors(copy, read);
  const std::string bytes = read_file(copy);
  EXPECT_EQ(bytes.substr(bytes.size() - data.size()), data);
  EXPECT_THAT(bytes, HasSubstr(tensor("e4", "F8_E4M3", "[3]", "[0,3]")));
}

/// Seconds of the processor for a header that names `count` tensors of no bytes.
TEST_F(SafetensorsTest, ManyTensorsTakeTimeInProportion) {
  const auto header = [](int count, const std::string& last = "") {
    std::string text = "{";
    for (int i = count; i > 0; --i) text += tensor(fmt::format("t{}", i), "U8", "[0]", "[0,0]") + ",";
    return text + tensor(last.empty() ? "end" : last, "U8", "[0]", "[0,0]") + "}";
  };
  const auto seconds = [&](int count) {
    const std::string text = header(count);
    const std::clock_t begin = std::clock();
    EXPECT_EQ(error(text), "no error");
    return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  };
  const double few = seconds(20'000), many = seconds(200'000);
  EXPECT_LT(many, 40 * few) << "ten times the tensors; their square is a hundred times";
  const StateDict state = read_safetensors(file());
  ASSERT_EQ(state.entries.size(), 200'001U);
  EXPECT_EQ(state.entries.front().name, "t200000") << "in the header's order";
  EXPECT_EQ(state.entries.back().name, "end");
  EXPECT_EQ(error(header(200'000, "t77")), "the header names 't77' twice");
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
  for (const char* name : {"zip.pth", "legacy.pth", "nested.pth", "parallel.pth", "measured.pth"}) {
    const StateDict state = read_weights(kFixtures + "/" + name);
    ASSERT_EQ(state.entries.size(), 5U) << name;
    EXPECT_TRUE(at::equal(*state.find("fc.weight"), at::arange(6, at::kFloat).view({2, 3}) / 2)) << name;
    EXPECT_TRUE(at::equal(*state.find("fc.transposed"), (at::arange(6, at::kFloat).view({2, 3}) / 2).t())) << name;
    EXPECT_TRUE(at::equal(*state.find("fc.row"), at::arange(3, 6, at::kFloat) / 2)) << name;
    EXPECT_TRUE(at::equal(*state.find("bn.num_batches_tracked"), at::arange(7, 8)[0])) << name;
    EXPECT_EQ(state.find("half")->scalar_type(), at::kHalf) << name;
  }
}

/// What torch.optim.lr_scheduler.MultiStepLR and scripts keep beside the weights is passed over; `mask` is expanded, its storage
/// holds 2 of its 10,000 elements.
TEST(PthTest, PlainValuesBesideTheWeightsAndExpandedTensors) {
  for (const char* name : {"values.pth", "legacy_values.pth"}) {
    const StateDict state = read_weights(kFixtures + "/" + name);
    ASSERT_EQ(state.entries.size(), 6U) << name;
    EXPECT_TRUE(at::equal(*state.find("fc.row"), at::arange(3, 6, at::kFloat) / 2)) << name;
    EXPECT_TRUE(at::equal(*state.find("mask"), (at::arange(2, at::kFloat) + 0.5).view({2, 1}).expand({2, 5000}))) << name;
    EXPECT_TRUE(state.find("mask")->is_contiguous()) << name;
  }
}

/// Releases before 0.4 wrote tensors that share memory as views (key, offset, elements) of one storage; offsets of tensors count
/// from the view.
TEST(PthTest, ViewsOfAStorageBeginWhereTheySay) {
  const StateDict state = read_weights(kFixtures + "/legacy_view.pth");
  ASSERT_EQ(state.entries.size(), 3U);
  EXPECT_TRUE(at::equal(*state.find("whole"), at::arange(10, 14, at::kFloat)));
  EXPECT_TRUE(at::equal(*state.find("tail"), at::arange(12, 14, at::kFloat)));
  EXPECT_TRUE(at::equal(*state.find("last"), at::arange(13, 14, at::kFloat)));
  const ScratchFolder folder;
  const auto error = [&](const std::string& offset, const std::string& elements) {
    std::string bytes = read_file(kFixtures + "/legacy_view.pth");
    const std::size_t at = bytes.find("K\x02K\x02\x87");
    EXPECT_NE(at, std::string::npos);
    write_text(folder.path() / "v.pth", bytes.replace(at, 4, offset + elements));
    return error_of<WeightsError>([&] { read_weights(folder.path() / "v.pth"); })
        .substr((folder.path() / "v.pth").string().size());
  };
  EXPECT_EQ(error("K\x03", "K\x02"), ": view tail reaches outside its storage of 4 elements");
  EXPECT_EQ(error("J\xff\xff\xff\xff", "K\x02"), ": view tail reaches outside its storage of 4 elements");
  EXPECT_EQ(error("K\x02", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"), ": view tail reaches outside its storage of 4 elements");
  EXPECT_THAT(error("K\x02", "K\x01"), HasSubstr("a tensor reaches outside its storage of 1 elements"));
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

/// LibTorch's writer throws a second time, out of its destructor, once it is told of a failure: that ends the process.
TEST(PthTest, AFullDiskIsAnErrorAndLeavesNothing) {
  const ScratchFolder folder;
  const std::filesystem::path file = folder.path() / "a.pth";
  for (const std::int64_t numbers : {10, 1'000'000}) {
    StateDict state;
    state.add("a", at::ones({numbers}));
    state.add("b", at::ones({numbers}));
    {
      const SmallFiles limit(100);
      EXPECT_EQ(error_of<RunError>([&] { write_pth(file, state); }), file.string() + ": cannot be written: File too large");
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
    write_pth(file, state);
    std::filesystem::remove(file);
  }
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
