// Tar shards: written, read without unpacking, damaged; and the order that suits them.
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <numeric>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <opencv2/imgcodecs.hpp>

#include "../support/gzip.h"
#include "../support/scratch.h"
#include "emotion/data/annotations.h"
#include "emotion/data/decode.h"
#include "emotion/data/import_shards.h"
#include "emotion/data/loader.h"
#include "emotion/data/pack.h"
#include "emotion/data/sampler.h"
#include "emotion/data/verify.h"
#include "emotion/error.h"
#include "emotion/io/tar.h"
#include "emotion/log.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAreArray;

const fs::path kShards = fs::path(EMOTION_TEST_DATA) / "fixtures/shards";

class ShardTest : public ::testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::kOff); }
  fs::path file(const std::string& name) const { return folder_.path() / name; }
  /// The error of reading the index, without the folder.
  std::string error(const std::string& bytes) const {
    write_text(file("x.tar"), bytes);
    return error_without<DataError>(folder_.path(), [&] { read_tar_index(file("x.tar")); });
  }
  std::string two_members() const {
    TarWriter writer(file("two.tar"));
    writer.add("a.txt", std::string(700, 'a'));
    writer.add("b.txt", "bb");
    writer.close();
    return read_file(file("two.tar"));
  }
  /// A data set of `count` pictures in split train, with every kind of field.
  Dataset dataset(int count) const {
    std::string lines;
    for (int i = 0; i < count; ++i) {
      cv::Mat picture(5 + i, 4, CV_8UC3, cv::Scalar(i * 7, 100, 200));
      fs::create_directories(file("data/img"));
      cv::imwrite(file(fmt::format("data/img/{}.{}", i, i % 2 ? "jpg" : "png")), picture);
      lines +=
          fmt::format("{{\"image\": \"img/{}.{}\", \"labels\": [{}], \"keywords\": [\"k{}\"]{}}}\n", i, i % 2 ? "jpg" : "png",
                      i % 3 == 2 ? "0, 1" : "1", i, i == 1 ? ", \"face\": \"img/0.png\", \"regions\": \"r/1.safetensors\"" : "");
    }
    write_text(file("data/r/1.safetensors"), "regions");
    write_text(file("data/dataset.yaml"), "name: t\nclasses: [awe, fear]\nsplits: {train: train.jsonl}\n");
    write_text(file("data/train.jsonl"), lines);
    return Dataset::open(file("data"));
  }
  ScratchFolder folder_;
};

TEST_F(ShardTest, GnuTarReadsWhatIsWritten) {
  two_members();
  const std::string command = fmt::format("cd '{0}' && tar -xf two.tar && tar -tf two.tar > list", folder_.path().string());
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(read_file(file("list")), "a.txt\nb.txt\n");
  EXPECT_EQ(read_file(file("a.txt")), std::string(700, 'a'));
  EXPECT_EQ(read_file(file("b.txt")), "bb");
  EXPECT_EQ(fs::file_size(file("two.tar")) % 10240, 0U);
}

TEST_F(ShardTest, ReadsLongNamesOfEveryFormat) {
  for (const std::string format : {"pax", "gnu", "ustar"}) {
    const fs::path archive = file("long-" + format + ".tar");
    fs::copy_file(kShards / ("long-" + format + ".tar.sample"), archive);
    const auto members = read_tar_index(archive);
    ASSERT_THAT(members, SizeIs(3)) << format;
    EXPECT_EQ(members[0].name, "folder/short.txt");
    EXPECT_EQ(members[1].name.size(), format == "ustar" ? 204U : 174U);
    EXPECT_EQ(members[2].name, format == "ustar" ? "s.txt" : "sm\u00f8rrebr\u00f8d.txt");
    EXPECT_EQ(read_file_or_member(archive.string() + "#" + members[1].name), "two two");
    EXPECT_EQ(read_file_or_member(archive.string() + "#" + members[2].name), "");
  }
}

TEST_F(ShardTest, DamageIsNamedWithItsByte) {
  const std::string good = two_members();
  std::string bad = good;
  bad[1536 + 3] = 'X';  // in the second header: 512 + 1024 bytes of content
  EXPECT_EQ(error(bad), "x.tar: at byte 1536: damaged header (its sum is wrong)");
  EXPECT_EQ(error(good.substr(0, 1200)), "x.tar: at byte 0: member 'a.txt' of 700 bytes goes beyond the archive's end at 1200");
  EXPECT_EQ(error(good.substr(0, 1700)), "x.tar: at byte 1536: the archive ends in the middle of a header");
  EXPECT_EQ(error("\x1f\x8b" + std::string(600, 'z')),
            "x.tar: at byte 0: not an uncompressed tar archive, or its first header is damaged");
  EXPECT_EQ(error_of<DataError>([&] { read_tar_index(file("none.tar")); }),
            file("none.tar").string() + ": cannot be read: No such file or directory");
}

// Headers with hostile contents and right sums.
TEST_F(ShardTest, TricksAreRefused) {
  const auto archive = [&](const std::string& name, const std::string& size, char type = '0') {
    std::string header(512, '\0');
    header.replace(0, name.size(), name);
    header.replace(124, size.size(), size);
    header[156] = type;
    header.replace(148, 8, "        ");
    const int sum =
        std::accumulate(header.begin(), header.end(), 0, [](int s, char c) { return s + static_cast<unsigned char>(c); });
    header.replace(148, 7, fmt::format("{:06o}", sum) + std::string(1, '\0'));
    return header;
  };
  const std::string end(1024, '\0');
  EXPECT_EQ(error(archive("../evil", "00000000000") + end),
            "x.tar: at byte 0: member name '../evil' is empty, absolute or leaves the archive");
  EXPECT_EQ(error(archive("/etc/passwd", "00000000000") + end),
            "x.tar: at byte 0: member name '/etc/passwd' is empty, absolute or leaves the archive");
  EXPECT_EQ(error(archive("a", "77777777777") + end),
            "x.tar: at byte 0: member 'a' of 8589934591 bytes goes beyond the archive's end at 1536");
  EXPECT_EQ(error(archive("a", std::string("\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12)) + end),
            "x.tar: at byte 0: damaged header (its size is no number)");
  EXPECT_EQ(error(archive("a", "0000000000x") + end), "x.tar: at byte 0: damaged header (its size is no number)");
  EXPECT_EQ(error(archive("a", "00000000000") + archive("a", "00000000000") + end),
            "x.tar: at byte 512: member 'a' stands twice");
  EXPECT_EQ(error(archive("a", "00000000000", 'S') + end),
            "x.tar: at byte 0: a sparse member; pack the files anew without sparse holes");
  EXPECT_EQ(error(archive("x", "00000000010", 'x') + "99 path=a\n" + std::string(502, '\0') + end),
            "x.tar: at byte 0: damaged pax record");
  write_text(file("x.tar"), archive("link", "00000000000", '2') + archive("a", "00000000000") + end);
  EXPECT_THAT(read_tar_index(file("x.tar")), SizeIs(1));  // links are passed over
}

TEST_F(ShardTest, IndexIsKeptAndMadeAnewWhenTheShardChanges) {
  two_members();
  const std::string a = file("two.tar").string() + "#a.txt", index = file("two.tar").string() + ".index";
  EXPECT_EQ(read_file_or_member(a), std::string(700, 'a'));
  EXPECT_TRUE(fs::exists(index));
  const fs::path other = file("other.tar");
  TarWriter writer(other);
  writer.add("c.txt", "ccc");
  writer.close();
  write_text(other.string() + ".index", read_file(index));  // of another archive
  EXPECT_EQ(read_file_or_member(other.string() + "#c.txt"), "ccc");
  EXPECT_EQ(error_of<DataError>([&] { read_file_or_member(other.string() + "#a.txt"); }),
            other.string() + "#a.txt: there is no such member");
  EXPECT_EQ(file_or_member_state(a).bytes, 700U);
  EXPECT_EQ(file_or_member_state(other.string() + "#none").bytes, 0U);
}

TEST_F(ShardTest, AHeaderDamagedAfterIndexingIsNamedWithItsByte) {
  two_members();
  const std::string b = file("two.tar").string() + "#b.txt";
  EXPECT_EQ(read_file_or_member(b), "bb");
  std::fstream out(file("two.tar"), std::ios::in | std::ios::out | std::ios::binary);
  out.seekp(1536 + 7);
  out.put('X');
  out.close();
  EXPECT_EQ(error_of<DataError>([&] { read_file_or_member(b); }),
            file("two.tar").string() + ": at byte 1536: the header of member 'b.txt' is damaged; pack the shard again");
}

TEST_F(ShardTest, PackedPicturesAreTheLooseOnes) {
  const Dataset source = dataset(7);
  pack_dataset(source, {.out = file("packed"), .samples = 3});
  const Dataset packed = Dataset::open(file("packed"));
  EXPECT_THAT(packed.classes, ElementsAre("awe", "fear"));
  const Manifest loose = Manifest::open(source, "train"), shards = Manifest::open(packed, "train");
  ASSERT_EQ(shards.size(), 7U);
  EXPECT_EQ(shards[0].image, "train-000000.tar#000000000.png");
  EXPECT_EQ(shards[6].image, "train-000002.tar#000000006.png");
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(decode_image(shards.image_path(i)).pixels, decode_image(loose.image_path(i)).pixels);
    EXPECT_THAT(shards[i].labels, ElementsAreArray(loose[i].labels));
    EXPECT_EQ(shards.word(shards[i].keywords[0]), loose.word(loose[i].keywords[0]));
  }
  EXPECT_EQ(shards[1].source, "img/1.jpg");
  EXPECT_EQ(shards[1].face, "train-000000.tar#000000001.face.png");
  EXPECT_EQ(read_file(file("packed") / shards[1].regions), "regions");
  EXPECT_THAT(file_problems(shards, 1), IsEmpty());
  std::vector<std::string> names;
  for (const auto& member : read_tar_index(file("packed/train-000000.tar"))) names.push_back(member.name);
  EXPECT_THAT(names, ElementsAre("000000000.png", "000000000.json", "000000000.cls", "000000001.jpg", "000000001.json",
                                 "000000001.cls", "000000001.face.png", "000000002.png", "000000002.json"));
}

TEST_F(ShardTest, PackTakesFacesAndRegionsFromBesideThePictures) {
  dataset(1);
  write_text(file("own/faces/0.png"), read_file(file("data/img/0.png")));
  write_text(file("own/regions/0.safetensors"), "regions");
  write_text(file("own/train.jsonl"),
             "{\"image\": \"img/0.png\", \"face\": \"faces/0.png\", \"regions\": \"regions/0.safetensors\"}\n");
  write_text(file("own/dataset.yaml"), "name: t\nclasses: [awe]\nsplits: {train: train.jsonl}\nimage_root: ../data\n");
  pack_dataset(Dataset::open(file("own")), {.out = file("packed")});
  const Manifest shards = Manifest::open(Dataset::open(file("packed")), "train");
  EXPECT_EQ(shards[0].face, "train-000000.tar#000000000.face.png");
  EXPECT_EQ(read_file(file("packed") / shards[0].regions), "regions");
}

TEST_F(ShardTest, PackTakesTheBoxesOfADetectorsSet) {
  const Dataset source = dataset(3);
  AnnotationWriter writer({"cat", "dog"});
  for (int i = 0; i < 3; ++i)
    writer.add(fmt::format("img/{}.{}", i, i % 2 ? "jpg" : "png"), 4, 5 + i, {{{0, 1, 3, 4}, static_cast<std::uint32_t>(i % 2)}});
  writer.write(Annotations::file_of(source, "train"));
  pack_dataset(source, {.out = file("packed"), .samples = 2});
  const Annotations packed = Annotations::read(Manifest::open(Dataset::open(file("packed")), "train"));
  EXPECT_THAT(packed.classes, ElementsAre("cat", "dog"));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_THAT(packed.sizes[i], ElementsAre(4, 5 + static_cast<int>(i)));
    ASSERT_THAT(packed.boxes[i], SizeIs(1));
    EXPECT_EQ(packed.boxes[i][0].label, i % 2);
    EXPECT_THAT(packed.boxes[i][0].box, ElementsAre(0, 1, 3, 4));
  }
}

TEST_F(ShardTest, LoaderGivesTheSameBatchesFromShards) {
  const Dataset source = dataset(7);
  pack_dataset(source, {.out = file("packed"), .samples = 2});
  const Manifest loose = Manifest::open(source, "train"), shards = Manifest::open(Dataset::open(file("packed")), "train");
  const LoaderOptions options{
      .transform = {.resize = 0, .size = 6, .crop = Crop::kRandomResized}, .seed = 3, .batch = 4, .workers = 2};
  const auto order = Sampler{.size = 7, .seed = 3}.order(1);
  ImageLoader a(loose, options, order, 1), b(shards, options, order, 1), resumed(shards, options, order, 1, 4);
  for (int batch = 0; batch < 2; ++batch) {
    const auto x = a.next(), y = b.next();
    ASSERT_TRUE(x && y);
    EXPECT_EQ(x->samples, y->samples);
    const std::size_t bytes = x->samples.size() * 6 * 6 * 3;
    EXPECT_EQ(0, std::memcmp(x->pixels.get(), y->pixels.get(), bytes));
    if (batch == 1) {
      const auto z = resumed.next();
      EXPECT_EQ(z->samples, y->samples);
      EXPECT_EQ(0, std::memcmp(z->pixels.get(), y->pixels.get(), bytes));
    }
  }
}

TEST_F(ShardTest, PackingGoesOnAfterAStop) {
  const Dataset source = dataset(6);
  pack_dataset(source, {.out = file("once"), .samples = 2});
  fs::create_directories(file("again"));
  for (const char* name : {"train-000000.tar", "train-000001.tar", "train-000002.tar"})
    fs::copy(file("once") / name, file("again") / name);
  write_text(file("again/train-000001.tar"), read_file(file("once/train-000001.tar")).substr(0, 1000));  // not whole
  const auto kept = fs::last_write_time(file("again/train-000000.tar"));
  pack_dataset(source, {.out = file("again"), .samples = 2});
  EXPECT_EQ(fs::last_write_time(file("again/train-000000.tar")), kept);
  for (const char* name : {"train-000000.tar", "train-000001.tar", "train-000002.tar", "train.jsonl"})
    EXPECT_EQ(read_file(file("again") / name), read_file(file("once") / name)) << name;
  EXPECT_EQ(error_of<ConfigError>([&] { pack_dataset(source, {.out = file("again")}); }),
            file("again").string() + ": there is a data set already; give another --out");
}

TEST_F(ShardTest, PackedAnewNothingOfAnEarlierRunStays) {
  const Dataset source = dataset(6);
  pack_dataset(source, {.out = file("packed"), .samples = 1});
  read_file_or_member(file("packed/train-000005.tar").string() + "#000000005.json");  // writes an index
  for (const char* name : {"packed/dataset.yaml", "packed/train.jsonl"}) fs::remove(file(name));
  write_text(file("data/r/1.safetensors"), "REGIONS");  // of the same size
  pack_dataset(source, {.out = file("packed"), .samples = 3});
  EXPECT_EQ(read_file(file("packed/r/1.safetensors")), "REGIONS");
  EXPECT_TRUE(fs::exists(file("packed/train-000001.tar")));
  for (int k = 2; k < 6; ++k) {
    EXPECT_FALSE(fs::exists(file(fmt::format("packed/train-{:06}.tar", k))));
    EXPECT_FALSE(fs::exists(file(fmt::format("packed/train-{:06}.tar.index", k))));
  }
}

// What is of the same size may be another picture.
TEST_F(ShardTest, AShardOlderThanItsPicturesIsPackedAnew) {
  const Dataset source = dataset(6);
  pack_dataset(source, {.out = file("packed"), .samples = 2});
  const auto packed_at = fs::last_write_time(file("packed/train-000000.tar")) - std::chrono::minutes(1);
  for (const auto& picture : fs::directory_iterator(file("data/img"))) fs::last_write_time(picture, packed_at);
  for (const char* name : {"packed/train-000000.tar", "packed/train-000001.tar", "packed/train-000002.tar"})
    fs::last_write_time(file(name), packed_at);
  const auto change = [&](const std::string& name) {
    std::string bytes = read_file(file("data") / name);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    write_text(file("data") / name, bytes);
    fs::last_write_time(file("data") / name, packed_at + std::chrono::seconds(10));
    for (const char* made : {"packed/dataset.yaml", "packed/train.jsonl"}) fs::remove(file(made));
    pack_dataset(source, {.out = file("packed"), .samples = 2});
    return bytes;
  };
  const std::string picture = change("img/2.png");
  EXPECT_NE(read_file(file("packed/train-000001.tar")).find(picture), std::string::npos);
  EXPECT_EQ(fs::last_write_time(file("packed/train-000000.tar")), packed_at);
  write_text(file("data/face.png"), read_file(file("data/img/0.png")));
  std::string lines = read_file(file("data/train.jsonl"));
  write_text(file("data/train.jsonl"), lines.replace(lines.find("\"face\": \"img/0.png\""), 19, "\"face\": \"face.png\""));
  const std::string face = change("face.png");
  EXPECT_NE(read_file(file("packed/train-000000.tar")).find(face), std::string::npos);
}

TEST_F(ShardTest, PackedAgainAPictureKeepsItsFirstName) {
  pack_dataset(dataset(3), {.out = file("once"), .samples = 2});
  pack_dataset(Dataset::open(file("once")), {.out = file("twice"), .samples = 3});
  const Manifest shards = Manifest::open(Dataset::open(file("twice")), "train");
  EXPECT_EQ(shards[2].image, "train-000000.tar#000000002.png");
  EXPECT_EQ(shards[2].source, "img/2.png");
  EXPECT_THAT(read_file_or_member(file("twice/train-000000.tar").string() + "#000000002.json"),
              ::testing::StartsWith("{\"image\":\"img/2.png\""));
}

TEST_F(ShardTest, PackNamesThePictureThatIsNone) {
  const Dataset source = dataset(2);
  write_text(file("data/img/1.jpg"), "<html>");
  EXPECT_EQ(error_of<DataError>([&] { pack_dataset(source, {.out = file("packed")}); }),
            file("data/train.jsonl").string() + ":2: " + file("data/img/1.jpg").string() +
                ": not a picture; JPEG, PNG, WebP, BMP, TIFF and GIF are packed; emotion_data verify lists all");
  EXPECT_FALSE(fs::exists(file("packed/train-000000.tar")));
}

TEST_F(ShardTest, PackReplacesNoShardThatItReads) {
  pack_dataset(dataset(4), {.out = file("shards"), .samples = 2});
  for (const char* name : {"shards/dataset.yaml", "shards/train.jsonl"}) fs::remove(file(name));
  import_shards({.root = file("shards"), .out = file("set")});
  write_text(file("above/dataset.yaml"), "classes: [awe]\nsplits: {train: train.jsonl}\nimage_root: ..\n");
  write_text(file("above/train.jsonl"), "{\"image\": \"shards/train-000000.tar#000000000.png\"}\n");
  const std::string first = read_file(file("shards/train-000000.tar"));
  for (const char* set : {"set", "above"}) {
    const Dataset source = Dataset::open(file(set));
    EXPECT_EQ(error_of<ConfigError>([&] { pack_dataset(source, {.out = file("shards"), .samples = 4}); }),
              file("shards").string() + ": pictures of " + file(set).string() + " lie in it; give another --out");
  }
  EXPECT_EQ(read_file(file("shards/train-000000.tar")), first);
  EXPECT_TRUE(fs::exists(file("shards/train-000001.tar")));
}

TEST_F(ShardTest, PackTakesNothingOfOthersAway) {
  const Dataset source = dataset(2);
  fs::create_directories(file("packed"));
  fs::copy_file(kShards / "train-000001.tar", file("packed/train-000001.tar"));
  write_text(file("packed/train.jsonl"), "mine");
  EXPECT_EQ(error_of<ConfigError>([&] { pack_dataset(source, {.out = file("packed")}); }),
            file("packed/train.jsonl").string() + ": there is such a file already; give another --out");
  fs::remove(file("packed/train.jsonl"));
  pack_dataset(source, {.out = file("packed")});
  EXPECT_TRUE(fs::exists(file("packed/train-000001.tar"))) << "no shard of an earlier run";
}

TEST_F(ShardTest, AShardHoldsASampleAtLeastAndABillionAtMost) {
  const Dataset source = dataset(1);
  for (const std::uint64_t samples : {std::uint64_t{0}, std::uint64_t{1'000'000'001}, UINT64_MAX}) {
    EXPECT_EQ(error_of<ConfigError>([&] { pack_dataset(source, {.out = file("packed"), .samples = samples}); }),
              fmt::format("--samples is {}; 1 to 1000000000 in a shard are possible", samples));
  }
}

TEST_F(ShardTest, ImportsShardsOfPythonsWebdataset) {
  fs::create_directories(file("web"));
  for (const auto& entry : fs::directory_iterator(kShards)) fs::copy_file(entry.path(), file("web") / entry.path().filename());
  write_text(file("names.txt"), "sea\nsand\nsun\n");
  import_shards({.root = file("web"), .out = file("set"), .classes = file("names.txt")});
  const Dataset set = Dataset::open(file("set"));
  EXPECT_THAT(set.classes, ElementsAre("sea", "sand", "sun", "tree"));
  const Manifest train = Manifest::open(set, "train"), val = Manifest::open(set, "val");
  ASSERT_EQ(train.size(), 4U);
  ASSERT_EQ(val.size(), 1U);  // the sample without a picture is left out
  EXPECT_EQ(train[2].image, "train-000001.tar#pictures/0002.jpg");
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_THAT(train[i].labels, ElementsAre(i % 3));
    EXPECT_THAT(train[i].votes, ElementsAre(0, 2));
    EXPECT_EQ(train.word(train[i].keywords[1]), fmt::format("word{}", i));
    EXPECT_EQ(decode_image(train.image_path(i)).width, 8 + static_cast<int>(i));
  }
  EXPECT_THAT(val[0].labels, ElementsAre(3));
  write_text(file("names.txt"), "sea\n");
  EXPECT_EQ(error_of<DataError>([&] { import_shards({.root = file("web"), .out = file("b"), .classes = file("names.txt")}); }),
            file("web/train-000000.tar").string() + "#pictures/0000.json: class id 2 is out of range; there are 1 names");
}

// What is of one picture stays together in a split after the way through shards, too.
TEST_F(ShardTest, ImportedShardsKeepTheNamesOfTheirPictures) {
  pack_dataset(dataset(3), {.out = file("packed"), .samples = 2});
  import_shards({.root = file("packed"), .out = file("set")});
  EXPECT_EQ(Manifest::open(Dataset::open(file("set")), "train")[2].source, "img/2.png");
  int cases = 0;
  const auto names = [&](const std::string& first, const std::string& second) {
    const fs::path web = file(fmt::format("web{}", ++cases)), set = web / "set";
    fs::create_directories(web);
    TarWriter writer(web / "a.tar");
    const std::string picture = read_file(file("data/img/0.png"));
    for (const auto& [key, name] : {std::pair("0", first), std::pair("1", second)}) {
      writer.add(std::string(key) + ".png", picture);
      writer.add(std::string(key) + ".json", "{\"label\": \"joy\", \"image\": \"" + name + "\"}");
    }
    writer.close();
    import_shards({.root = web, .out = set});
    const Manifest manifest = Manifest::open(Dataset::open(set), "a");
    return fmt::format("{},{}", manifest[0].source, manifest[1].source);
  };
  EXPECT_EQ(names("x/1.png", "http://host/2.png"), "x/1.png,");
  EXPECT_EQ(names("x/1.png", "../2.png"), "x/1.png,");
  EXPECT_EQ(names("image.png", "image.png"), ",") << "no names of pictures";
}

TEST_F(ShardTest, ImportedBoxesAreThoseOfAManifest) {
  dataset(1);
  int cases = 0;
  const auto error = [&](const std::string& box) {
    const fs::path shard = file(fmt::format("web{}/a.tar", ++cases));
    fs::create_directories(shard.parent_path());
    TarWriter writer(shard);
    writer.add("0.png", read_file(file("data/img/0.png")));
    writer.add("0.json", "{\"label\": \"joy\", \"box\": " + box + "}");
    writer.close();
    const std::string text = error_of<DataError>([&] { import_shards({.root = shard.parent_path(), .out = file("set")}); });
    return text.starts_with(shard.string()) ? text.substr(shard.string().size()) : text;
  };
  EXPECT_EQ(error("[0, 0, 1e39, 5]"), "#0.json: \"box\": [x, y, width, height] is wanted");
  EXPECT_EQ(error("[0, 0, 5]"), "#0.json: \"box\": [x, y, width, height] is wanted");
  EXPECT_EQ(error("[0, 0, 5, 0]"), "#0.json: \"box\": width and height must be above 0");
  EXPECT_EQ(error("[0, 0, -3, 5]"), "#0.json: \"box\": width and height must be above 0");
}

TEST_F(ShardTest, CompressedShardsAreUnpackedIntoTheDataSet) {
  fs::create_directories(file("plain"));
  fs::create_directories(file("web"));
  for (const auto& entry : fs::directory_iterator(kShards)) {
    if (entry.path().extension() != ".tar") continue;
    fs::copy_file(entry.path(), file("plain") / entry.path().filename());
    write_gzip(file("web") / (entry.path().filename().string() + ".gz"), read_file(entry.path()));
  }
  fs::rename(file("web/val-000000.tar.gz"), file("web/val-000000.tgz"));
  import_shards({.root = file("plain"), .out = file("a")});
  import_shards({.root = file("web"), .out = file("b")});
  for (const char* list : {"train.jsonl", "val.jsonl"}) EXPECT_EQ(read_file(file("a") / list), read_file(file("b") / list));
  const Manifest train = Manifest::open(Dataset::open(file("b")), "train");
  ASSERT_EQ(train.size(), 4U);
  EXPECT_EQ(decode_image(train.image_path(3)).width, 11);
  EXPECT_EQ(fs::weakly_canonical(Dataset::open(file("b")).images()), fs::weakly_canonical(file("b")));

  // Beside plain ones they were passed over without a word.
  write_gzip(file("plain/more-000000.tar.gz"), read_file(file("plain/val-000000.tar")));
  const std::string more = file("plain/more-000000.tar.gz").string();
  EXPECT_EQ(error_of<DataError>([&] { import_shards({.root = file("plain"), .out = file("c")}); }),
            more + ": compressed, and others beside it are not; unpack it there: gunzip -k " + more);
  fs::copy_file(file("plain/val-000000.tar"), file("plain/more-000000.tar"));  // as gunzip -k leaves it
  import_shards({.root = file("plain"), .out = file("c")});
  EXPECT_EQ(Dataset::open(file("c")).splits.size(), 3U);
  write_text(file("plain/last.tar.xz"), "x");
  EXPECT_EQ(error_of<DataError>([&] { import_shards({.root = file("plain"), .out = file("d")}); }),
            file("plain/last.tar.xz").string() + ": shards packed by gzip or not at all are read; unpack it first");
}

TEST_F(ShardTest, CompressedShardsThatCannotBeUsed) {
  fs::create_directories(file("web"));
  const std::string whole = read_file(kShards / "val-000000.tar"), shard = file("web/a.tar.gz").string();
  const auto error = [&] { return error_of<DataError>([&] { import_shards({.root = file("web"), .out = file("set")}); }); };
  write_gzip(shard, whole);
  fs::resize_file(shard, fs::file_size(shard) - 9);
  EXPECT_EQ(error(), shard + ": a damaged .gz file, or truncated");
  EXPECT_TRUE(fs::is_empty(file("set"))) << "whole shards or none";
  write_gzip(shard, std::string(80 << 20, '\0'));
  EXPECT_EQ(error(), fmt::format("{}: refused: {} bytes unpack to more than {}", shard, fs::file_size(shard),
                                 (64 << 20) + 100 * fs::file_size(shard)));
  write_text(file("set/dataset.yaml"), "name: there\n");
  EXPECT_EQ(error_of<ConfigError>([&] { import_shards({.root = file("web"), .out = file("set")}); }),
            file("set").string() + ": there is a data set already; give another --out");
}

// A window of 50: every sample once, another order each epoch, none more than two windows of places from its neighbours' run.
TEST(SamplerWindow, KeepsNeighboursNear) {
  const Sampler sampler{.size = 1003, .window = 50, .seed = 4};
  const auto order = sampler.order(2);
  std::vector<std::uint64_t> all(1003);
  std::iota(all.begin(), all.end(), 0U);
  EXPECT_THAT(order, UnorderedElementsAreArray(all));
  EXPECT_EQ(order, sampler.order(2));
  EXPECT_NE(order, sampler.order(3));
  EXPECT_NE(order, all);
  // Runs touched by any 50 draws in sequence: what the buffer holds comes from a few runs only.
  double touched = 0;
  for (std::size_t begin = 0; begin + 50 <= order.size(); begin += 50) {
    std::set<std::uint64_t> runs;
    for (std::size_t i = begin; i < begin + 50; ++i) runs.insert(order[i] / 50);
    touched += static_cast<double>(runs.size()) / 20;
  }
  EXPECT_LT(touched, 8);  // a free permutation touches 18 of the 21
  EXPECT_GT(touched, 2);
}

}  // namespace
}  // namespace emotion
