// Files made to hurt their reader: each is refused with its line and exit code 3 while no more than some megabytes can be had.
#include <algorithm>
#include <numeric>
#include <optional>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "../support/limited_memory.h"
#include "../support/scratch.h"
#include "emotion/io/npz.h"
#include "emotion/io/plain_pickle.h"
#include "emotion/io/tar.h"
#include "emotion/io/weights.h"

namespace emotion {
namespace {

using namespace std::string_literals;

constexpr std::uint64_t kMegabytes = 48;  // what a reader may take of any of these files

/// The value's lowest `bytes` bytes, at most 8.
std::string little(std::uint64_t value, std::size_t bytes) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value).substr(0, bytes);
}

/// A member of a ZIP archive, with what its headers say of it.
struct Member {
  std::string name, content;
  std::uint64_t method = 0;
  std::optional<std::uint64_t> size = std::nullopt;    // said, of the content when unpacked
  std::optional<std::uint64_t> header = std::nullopt;  // said, of the local header
  bool zip64 = false;                                  // sizes stand in an extra field
};

std::string deflated(const std::string& text) {
  std::string packed(compressBound(text.size()), '\0');
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string zip(const std::vector<Member>& members, std::optional<std::uint64_t> count = std::nullopt) {
  std::string file, directory;
  for (const Member& m : members) {
    const std::uint64_t header = m.header.value_or(file.size()), size = m.size.value_or(m.content.size());
    const auto sum = crc32(0, reinterpret_cast<const Bytef*>(m.content.data()), static_cast<uInt>(m.content.size()));
    const std::string extra = m.zip64 ? little(1, 2) + little(16, 2) + little(size, 8) + little(m.content.size(), 8) : "";
    const std::string sizes = m.zip64 ? std::string(8, '\xff') : little(m.content.size(), 4) + little(size, 4);
    const std::string common = little(0, 2) + little(m.method, 2) + little(0, 4) + little(sum, 4) + sizes +
                               little(m.name.size(), 2) + little(extra.size(), 2);
    directory += "PK\1\2"s + little(20, 2) + little(20, 2) + common + std::string(10, '\0') + little(header, 4) + m.name + extra;
    file += "PK\3\4"s + little(20, 2) + common + m.name + extra + m.content;
  }
  const std::uint64_t entries = count.value_or(members.size());
  const std::string end = "PK\5\6"s + little(0, 4) + little(entries, 2) + little(entries, 2) + little(directory.size(), 4) +
                          little(file.size(), 4) + little(0, 2);
  return file + directory + end;
}

class HostileTest : public ::testing::Test {
 protected:
  /// What reading `bytes` says behind the file's name.
  template <class Read>
  std::string error(const std::string& name, const std::string& bytes, Read read) {
    const auto file = folder_.path() / name;
    write_text(file, bytes);
    std::string text = error_within(kMegabytes, [&] { read(file); });
    const std::size_t at = text.find(file.string());
    EXPECT_TRUE(text.find('\n') == std::string::npos);
    return at == std::string::npos ? text : text.erase(at, file.string().size() + 2);
  }
  std::string pth(const std::string& bytes) {
    return error("f.pth", bytes, [](const auto& file) { read_weights(file); });
  }
  std::string npz(const std::string& bytes) {
    return error("f.npz", bytes, [](const auto& file) { NpzFile::read(file); });
  }
  std::string safetensors(const std::string& header, const std::string& data = "") {
    return error("f.safetensors", little(header.size(), 8) + header + data, [](const auto& file) { read_weights(file); });
  }
  ScratchFolder folder_;
};

std::string npy(const std::string& header, const std::string& data = "") {
  return "\x93NUMPY\1\0"s + little(header.size(), 2) + header + data;
}

TEST_F(HostileTest, TheLimitIsOne) {
  if (!kMemoryIsLimited) GTEST_SKIP() << "a sanitizer maps what it likes";
  EXPECT_EQ(error_within(kMegabytes, [] { std::string(40 << 20, 'x'); }), "no error");
  EXPECT_EQ(error_within(kMegabytes, [] { std::string(80 << 20, 'x'); }), "not one of ours: std::bad_alloc");
}

TEST_F(HostileTest, ZipBombs) {
  // 100 MB of zeros in 100 KB.
  const std::string zeros = deflated(std::string(100 << 20, '\0'));
  ASSERT_LT(zeros.size(), 200'000U);
  const std::string refused = fmt::format("3: x.npy: refused: {} bytes would unpack to 104857600", zeros.size());
  EXPECT_EQ(npz(zip({{"x.npy", zeros, 8, 100 << 20}})), refused);
  // The size is a lie: inflating stops where it says.
  EXPECT_EQ(npz(zip({{"x.npy", zeros, 8, 1 << 20}})), "3: x.npy: damaged: its compressed data is broken");
  EXPECT_EQ(npz(zip({{"x.npy", "abc", 8, std::uint64_t{1} << 62, std::nullopt, true}})),
            "3: x.npy: refused: 3 bytes would unpack to 4611686018427387904");
  EXPECT_EQ(npz(zip({{"x.npy", "abc", 0, std::uint64_t{5} << 30, std::nullopt, true}})),
            "3: x.npy: refused: stored, and 3 bytes are said to be 5368709120");
  // Members that share their bytes: small each, together without end.
  std::vector<Member> members{{"0.npy", deflated(std::string(1 << 20, '\0')), 8, 1 << 20}};
  for (int i = 1; i < 100; ++i) members.push_back({fmt::format("{}.npy", i), members[0].content, 8, 1 << 20, 0});
  EXPECT_EQ(npz(zip(members)), "3: 1.npy: refused: it shares its bytes with another member");
  EXPECT_EQ(npz(zip({{"x.npy", "abc"}}, 60000)), "3: its ZIP directory is damaged: 60000 members in 111 bytes");
  EXPECT_EQ(npz(zip({{"x.npy", "abc"}, {"x.npy", "abc"}})), "3: x.npy: stands twice in its ZIP directory");
  EXPECT_EQ(npz(zip({{"x.npy", "abc", 9}})), "3: x.npy: packed by method 9; stored and deflated members are read");
  EXPECT_EQ(npz("PK"), "3: truncated: there is no directory of a ZIP archive at its end");
}

TEST_F(HostileTest, ZipsOfTorch) {
  const std::string empty = "\x80\x02}."s;
  EXPECT_EQ(pth(zip({{"a/data.pkl", empty}})), "3: there is no state_dict in it: no dictionary of tensors");
  EXPECT_EQ(pth(zip({{"a/data.pkl", deflated(std::string(20 << 20, '\0')), 8, 20 << 20}})),
            "3: a/data.pkl: refused: it is compressed, and only stored members belong here");
  EXPECT_EQ(pth(zip({{"a/version", "3\n"}})), "3: truncated or not from torch.save: it has no data.pkl");
  EXPECT_EQ(pth(zip({{"a/data.pkl", empty}, {"a/byteorder", "big"}})), "3: written on a big-endian machine; not read");
  EXPECT_EQ(pth(zip({{"a/data.pkl", empty}, {"a/constants.pkl", empty}})),
            "3: a TorchScript archive, code and weights in one; in Python, torch.save(torch.jit.load(..).state_dict(), ..) "
            "writes the weights alone");
  const auto storage = [](const std::string& key, const std::string& elements) {
    return "((X\7\0\0\0storagectorch\nFloatStorage\nX"s + little(key.size(), 4) + key + "X\3\0\0\0cpu"s + elements + "tQ";
  };
  const auto tensor = [&](const std::string& offset, const std::string& size, const std::string& stride,
                          const std::string& elements) {
    return "\x80\x02}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n"s + storage("0", elements) + offset + size + "\x85" + stride +
           "\x85\x89NtRs."s;
  };
  const auto archive = [](const std::string& pickle) { return zip({{"a/data.pkl", pickle}, {"a/data/0", std::string(8, 'x')}}); };
  EXPECT_EQ(pth(archive(tensor("K\0"s, "K\2", "K\1", "K\2"))), "no error");
  EXPECT_EQ(pth(archive(tensor("K\0"s, "K\2", "K\1", "J\xff\xff\xff\x7f"))),
            "3: truncated: storage 0 has 8 bytes for 2147483647 elements");
  EXPECT_EQ(pth(archive(tensor("K\1", "K\2", "K\1", "K\2"))),
            "3: a tensor reaches outside its storage of 2 elements (byte 106 of its pickle)");
  EXPECT_EQ(pth(archive(tensor("K\0"s, "K\7", "K\0"s, "K\2"))), "no error") << "expanded";
  for (const std::string& size : {"J\xff\xff\xff\x7f"s, "\x8a\x8\0\0\0\0\0\0\0\x40"s}) {  // 2^62 floats: their bytes overflow
    EXPECT_EQ(pth(archive(tensor("K\0"s, size, "K\0"s, "K\2"))),
              "3: refused: its tensors share so much that they would take more than the 32 MB that a file of its size may");
  }
  EXPECT_EQ(pth(archive(tensor("K\2", "K\7", "K\0"s, "K\2"))),
            "3: a tensor reaches outside its storage of 2 elements (byte 106 of its pickle)");
  EXPECT_EQ(pth(archive(tensor("K\0"s, "\x8a\x8\0\0\0\0\0\0\0\x40"s, "\x8a\x8\0\0\0\0\0\0\0\x40"s, "K\2"))),
            "3: a tensor's size or stride is absurd (byte 122 of its pickle)");
}

// Few bytes that make many: copies of one text, one array or one storage.
TEST_F(HostileTest, MemoBombs) {
  const std::string megabyte = "X"s + little(1 << 20, 4) + std::string(1 << 20, 'a');
  const auto repeated = [](const std::string& piece, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += piece;
    return text;
  };
  const std::string encode = "\x80\x02]("s + "c_codecs\nencode\nq\1" + megabyte + "q\2" + repeated("0h\1h\2\x85R", 500) + "e.";
  EXPECT_THAT(pth(encode), ::testing::StartsWith("3: refused: it copies more than it holds (byte "));
  EXPECT_THAT(error_within(kMegabytes, [&] { PlainPickle(encode, "p"); }),
              ::testing::StartsWith("3: p: refused: it copies more than it holds (byte "));
  // numpy arrays over one text of bytes
  const std::string array = "cnumpy.core.multiarray\n_reconstruct\nq\1cnumpy\ndtype\nX\2\0\0\0u1\x85Rq\2"s + megabyte + "q\3"s +
                            repeated("h\1)R(K\1J\0\0\x10\0\x85h\2\x89h\3tb"s, 500);
  EXPECT_THAT(pth("\x80\x02("s + array + "l."), ::testing::StartsWith("3: refused: it copies more than it holds (byte "));
  // 20 million places of the memo
  EXPECT_EQ(pth("\x80\x02Nr\0\0\0\x7f."s), "3: broken: a place in the memo beyond the number of steps (byte 8 of its pickle)");
  // a list of two lists of two lists ..: 2^60 items that nobody may walk through
  std::string nested = "\x80\x02]";
  for (int i = 0; i < 60; ++i)
    nested += "q"s + static_cast<char>(i) + "0](h" + static_cast<char>(i) + "h" + static_cast<char>(i) + "e";
  EXPECT_EQ(pth(nested + "."), "3: truncated (byte 604 of its pickle)");
  EXPECT_EQ(error_within(kMegabytes, [&] { PlainPickle(nested + ".", "p"); }), "no error");
  // A value takes some 200 bytes: a million are the most.
  const auto file = folder_.path() / "f.pth";
  write_text(file, "\x80\x02" + std::string(30'000'000, 'N') + ".");
  EXPECT_EQ(error_within(400, [&] { read_weights(file); }),
            fmt::format("3: {}: too many values (byte 1000003 of its pickle)", file.string()));
}

/// 2,000 tensors of one storage of 200 KB would be 400 MB.
TEST_F(HostileTest, TensorsThatShareAStorage) {
  std::string pickle =
      "\x80\x02}(X\1\0\0\0actorch._utils\n_rebuild_tensor_v2\nq\1((X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
      "0X\3\0\0\0cpuJ\x50\xc3\0\0tQq\2K\0J\x50\xc3\0\0\x85K\1\x85\x89NtR"s;
  for (int i = 0; i < 2000; ++i)
    pickle += fmt::format("X{}{:04}", little(4, 4), i) + "h\1(h\2K\0J\x50\xc3\0\0\x85K\1\x85\x89NtR"s;
  EXPECT_EQ(pth(zip({{"a/data.pkl", pickle + "u."}, {"a/data/0", std::string(200'000, '\0')}})),
            "3: refused: its tensors share so much that they would take more than the 32 MB that a file of its size may");
}

TEST_F(HostileTest, HeadersOfSafetensors) {
  for (const std::uint64_t size : {std::uint64_t{1} << 32, std::uint64_t{100'000'001}, ~std::uint64_t{0}}) {
    EXPECT_EQ(error("f.safetensors", little(size, 8) + "{}", [](const auto& file) { read_weights(file); }),
              fmt::format("3: not a safetensors file, or truncated: a header of {} bytes in a file of 10", size));
  }
  const auto tensor = [](const std::string& shape, const std::string& offsets) {
    return fmt::format("{{\"a\":{{\"dtype\":\"U8\",\"shape\":{},\"data_offsets\":{}}}}}", shape, offsets);
  };
  EXPECT_EQ(safetensors(tensor("[4]", "[18446744073709551612,0]"), "abcd"),
            "3: tensor a: bytes 18446744073709551612 to 0 lie outside the file's 4 bytes of data; the file may be truncated");
  EXPECT_EQ(safetensors(tensor("[4]", "[0,18446744073709551616]"), "abcd"), "3: tensor a: data_offsets are not whole numbers");
  EXPECT_EQ(safetensors(tensor("[4294967296,4294967296,4294967296]", "[0,4]"), "abcd"),
            "3: tensor a: the shape is larger than any file");
  EXPECT_EQ(safetensors(std::string(100'000, '{')), "3: not a safetensors file: the header is not valid JSON");
  EXPECT_EQ(safetensors("{\"a\":" + std::string(1 << 20, '[')), "3: the header is nested too deeply for a safetensors file");
  // 8 million numbers would take 16 bytes each, and more while the list grows.
  std::string ones = "1";
  for (int i = 0; i < 23; ++i) ones += "," + ones;
  EXPECT_EQ(safetensors(tensor("[" + ones.substr(0, (8 << 20) - 1) + "]", "[0,1]"), "a"),
            "3: the header holds a list of more than 64 items");
}

TEST_F(HostileTest, ShapesOfNpy) {
  const auto array = [](const std::string& shape, const std::string& type = "<f4") {
    return zip({{"x.npy", npy("{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }", "12345678")}});
  };
  EXPECT_EQ(npz(array("(2,)")), "no error");
  EXPECT_EQ(npz(array("(4294967296, 4294967296)")), "3: x: its shape is larger than any file");
  EXPECT_EQ(npz(array("(9223372036854775807, 2)")), "3: x: its shape is larger than any file");
  EXPECT_EQ(npz(array("(0, 9223372036854775807, 9223372036854775807)")), "3: x: its shape is larger than any file");
  EXPECT_EQ(npz(array("(99999999999999999999,)")), "3: x: its .npy header has a broken shape");
  EXPECT_EQ(npz(array("(-2,)")), "3: x: its .npy header has a broken shape");
  EXPECT_EQ(npz(array("(1000000000000,)")), "3: x: 8 bytes for 1000000000000 items of 4 bytes");
  std::string sides = "(";
  for (int i = 0; i < 65; ++i) sides += "1,";
  EXPECT_EQ(npz(array(sides + ")")), "3: x: its .npy header has a broken shape");
  EXPECT_EQ(npz(zip({{"x.npy", "\x93NUMPY\2\0\xff\xff\xff\xff{}"s}})),
            "3: x: truncated within its .npy header: 4294967295 bytes in a file of 14");
}

TEST_F(HostileTest, SizesOfTar) {
  const auto archive = [](const std::string& size, char type = '0', const std::string& content = "") {
    std::string header(512, '\0');
    header[0] = 'a';
    header.replace(124, size.size(), size);
    header[156] = type;
    header.replace(148, 8, "        ");
    const int sum =
        std::accumulate(header.begin(), header.end(), 0, [](int s, char c) { return s + static_cast<unsigned char>(c); });
    header.replace(148, 7, fmt::format("{:06o}", sum) + std::string(1, '\0'));
    return header + content + std::string((512 - content.size() % 512) % 512 + 1024, '\0');
  };
  const auto tar = [&](const std::string& bytes) {
    return error("f.tar", bytes, [](const auto& file) { read_tar_index(file); });
  };
  EXPECT_EQ(tar(archive("00000000000")), "no error");
  EXPECT_EQ(tar(archive("-0000000001")), "3: at byte 0: damaged header (its size is no number)");
  EXPECT_EQ(tar(archive("00000000008")), "3: at byte 0: damaged header (its size is no number)");
  EXPECT_EQ(tar(archive("777777777777")), "3: at byte 0: member 'a' of 68719476735 bytes goes beyond the archive's end at 1536");
  // GNU's binary form: negative, beyond 64 bits, and 2^63
  EXPECT_EQ(tar(archive(std::string(12, '\xff'))), "3: at byte 0: damaged header (its size is no number)");
  EXPECT_EQ(tar(archive("\x80\x01"s + std::string(10, '\0'))), "3: at byte 0: damaged header (its size is no number)");
  EXPECT_EQ(tar(archive("\x80\0\0\0\x40\0\0\0\0\0\0\0"s)),
            "3: at byte 0: member 'a' of 4611686018427387904 bytes goes beyond the archive's end at 1536");
  EXPECT_EQ(tar(archive("00000000032", 'x', "26 size=18446744073709551616\n")), "3: at byte 0: damaged pax record");
  EXPECT_EQ(tar(archive("00000000013", 'x', "11 size=-1\n")), "3: at byte 0: damaged pax record");
  EXPECT_EQ(tar(archive("00040000000", 'L', std::string(8 << 20, 'n'))),
            "3: at byte 0: a name or record of 8388608 bytes is refused");
}

}  // namespace
}  // namespace emotion
