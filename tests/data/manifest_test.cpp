#include "emotion/data/manifest.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/data/folder_manifest.h"
#include "emotion/data/import_plain.h"
#include "emotion/data/manifest_update.h"
#include "emotion/data/targets.h"
#include "emotion/data/verify.h"
#include "emotion/error.h"
#include "emotion/io/file_lock.h"
#include "emotion/log.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ManifestTest : public ::testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::kOff); }
  Dataset dataset(const std::string& jsonl,
                  const std::string& yaml = "name: t\nclasses: [awe, fear, calm]\nsplits: {train: train.jsonl}\n") const {
    write_text(folder_.path() / "dataset.yaml", yaml);
    write_text(folder_.path() / "train.jsonl", jsonl);
    return Dataset::open(folder_.path());
  }
  /// The error of opening, without the folder.
  std::string error(const std::string& jsonl) const {
    return error_without<DataError>(folder_.path(), [&] { Manifest::open(dataset(jsonl), "train"); });
  }
  std::string yaml_error(const std::string& yaml) const {
    return error_without<DataError>(folder_.path(), [&] { dataset("", yaml); });
  }
  ScratchFolder folder_;
};

// As editors of Windows write it.
TEST_F(ManifestTest, AByteOrderMarkIsNoPartOfTheFirstLine) {
  const auto manifest =
      Manifest::open(dataset("\xef\xbb\xbf{\"image\": \"a.jpg\", \"labels\": [\"awe\"]}\n{\"image\": \"b.jpg\"}\n"), "train");
  EXPECT_EQ(manifest.size(), 2U);
  EXPECT_EQ(manifest[0].image, "a.jpg");
}

TEST_F(ManifestTest, TextThatIsNotUtf8IsNotWritten) {
  const auto file = folder_.path() / "out.jsonl";
  const auto error = [&](const Sample& sample) { return error_of<DataError>([&] { ManifestWriter(file).write(sample); }); };
  const std::string bad = "caf\xe9", text = "a.jpg: 'caf\\xe9' is not UTF-8; save its text as UTF-8";
  EXPECT_EQ(error({.image = "a.jpg", .labels = {"awe", bad}}), text);
  EXPECT_EQ(error({.image = "a.jpg", .keywords = {bad}}), text);
  EXPECT_EQ(error({.image = "a.jpg", .votes = {bad}}), text);
  EXPECT_EQ(error({.image = "a.jpg", .labels = {"caf\xc3\xa9"}}), "no error");
}

TEST_F(ManifestTest, ReadsWhatALineSays) {
  const Manifest manifest = Manifest::open(
      dataset("{\"image\": \"a.jpg\", \"labels\": [\"awe\", 2], \"keywords\": [\"sky\", \"awe\", \"sky\"], "
              "\"votes\": [0, \"fear\"], \"box\": [1, 2.5, 3, 4], "
              "\"face\": \"f/a.png\", \"regions\": \"r/a.safetensors\", \"source\": \"s.jpg\"}\n\n{\"image\": \"dir/b.jpg\"}\n"),
      "train");
  ASSERT_EQ(manifest.size(), 2U);
  const SampleView sample = manifest[0];
  EXPECT_EQ(sample.image, "a.jpg");
  EXPECT_THAT(sample.labels, ElementsAre(0, 2));
  EXPECT_THAT(sample.votes, ElementsAre(0, 1));
  ASSERT_EQ(sample.keywords.size(), 3U);
  EXPECT_EQ(manifest.word(sample.keywords[0]), "sky");
  EXPECT_EQ(sample.keywords[0], sample.keywords[2]);
  EXPECT_THAT(*sample.box, ElementsAre(1, 2.5F, 3, 4));
  EXPECT_EQ(sample.face, "f/a.png");
  EXPECT_EQ(sample.regions, "r/a.safetensors");
  EXPECT_EQ(sample.source, "s.jpg");
  EXPECT_EQ(sample.picture(), "s.jpg");
  EXPECT_EQ(manifest[1].picture(), "dir/b.jpg");
  EXPECT_EQ(manifest[1].image, "dir/b.jpg");
  EXPECT_FALSE(manifest[1].box.has_value());
  EXPECT_EQ(manifest.line(1), 3U);
  EXPECT_EQ(manifest.image_path(1), folder_.path() / "dir/b.jpg");
}

TEST_F(ManifestTest, EveryBrokenLineIsNamed) {
  const std::string more = "; emotion_data verify lists every problem";
  EXPECT_EQ(error("{\"image\": \"a\"}\nnonsense\n"), "train.jsonl:2: not a JSON object" + more);
  EXPECT_EQ(error("{\"labels\": [\"awe\"]}\n"), "train.jsonl:1: \"image\" is missing" + more);
  EXPECT_EQ(error("{\"image\": \"a\", \"labels\": [\"aw\"]}\n"),
            "train.jsonl:1: \"labels\": unknown class 'aw'; did you mean awe?" + more);
  EXPECT_EQ(error("{\"image\": \"a\", \"labels\": [3]}\n"),
            "train.jsonl:1: \"labels\": class id 3 is out of range; there are 3 classes" + more);
  EXPECT_EQ(error("{\"image\": \"a\", \"labels\": [-1]}\n"),
            "train.jsonl:1: \"labels\": a class is a name or an id from 0" + more);
  EXPECT_EQ(error("{\"image\": \"a\", \"labels\": [0, \"awe\"]}\n"), "train.jsonl:1: \"labels\": class awe stands twice" + more);
  EXPECT_EQ(error("{\"image\": \"a\", \"labls\": []}\n"), "train.jsonl:1: unknown key \"labls\"; did you mean labels?" + more);
  EXPECT_EQ(error("{\"image\": \"a\", \"box\": [1, 2, 0, 4]}\n"),
            "train.jsonl:1: \"box\": width and height must be above 0" + more);
  EXPECT_EQ(error("{\"image\": \"a\"}\n{\"image\": \"a\"}\n"),
            "train.jsonl:2: image a stands twice; the first is in line 1" + more);
  EXPECT_THAT(error("{\"image\": \"../../etc/passwd\"}\n"), HasSubstr("train.jsonl:1: \"image\": "));
  EXPECT_THAT(error("{\"image\": \"/etc/passwd\"}\n"), HasSubstr("train.jsonl:1: \"image\": "));
  EXPECT_EQ(error("\n"), "train.jsonl: the split is empty");
}

TEST_F(ManifestTest, VerifyListsThemAll) {
  const Dataset data = dataset("nonsense\n{\"image\": \"a\"}\n{\"image\": \"b\", \"labels\": [9]}\n");
  EXPECT_THAT(line_problems(data, "train"),
              ElementsAre(HasSubstr("train.jsonl:1: not a JSON object"), HasSubstr("train.jsonl:3: \"labels\": class id 9")));
  const Manifest manifest = Manifest::open(dataset("{\"image\": \"none.jpg\"}\n"), "train");
  EXPECT_THAT(file_problems(manifest, 2), ElementsAre(HasSubstr("train.jsonl:1: " + (folder_.path() / "none.jpg").string())));
}

TEST_F(ManifestTest, DatasetYamlErrorsNameLineAndColumn) {
  EXPECT_EQ(yaml_error("classes: [a]\nsplit: {train: x}\n"), "dataset.yaml:2:1: unknown key split; did you mean splits?");
  EXPECT_EQ(yaml_error("classes: [a, b, a]\nsplits: {train: x}\n"), "dataset.yaml:1:17: class a stands twice");
  EXPECT_EQ(yaml_error("classes: [aw, b]\nsplits: {t: x}\npolarity: {positive: [awe]}\n"),
            "dataset.yaml:3:23: polarity names the unknown class awe; did you mean aw?");
  EXPECT_EQ(yaml_error("classes: [awe, s\xe9r\xe9nit\xe9]\nsplits: {train: x}\n"),
            "dataset.yaml:1:16: class 's\\xe9r\\xe9nit\\xe9' is not UTF-8; save the file as that");
  EXPECT_THAT(yaml_error("classes: [a\n"), HasSubstr("not valid YAML"));
  EXPECT_EQ(yaml_error("classes: [a]\nsplits:\n\ttrain: x\n"),
            "dataset.yaml:3:7: not valid YAML: illegal map value; the line is indented with a tab: YAML wants spaces");
  EXPECT_THAT(error_of<DataError>([&] { dataset("").split_file("test"); }),
              HasSubstr("there is no split 'test'; there are train"));
}

TEST_F(ManifestTest, ARelativeFolderIsSaidToBeLookedForHere) {
  const std::string missing = ": not a data set: there is no dataset.yaml", advice = "; make one with emotion_data import or";
  EXPECT_THAT(error_of<DataError>([] { Dataset::open("no/where"); }),
              HasSubstr("no/where" + missing + " (looked for in " + std::filesystem::current_path().string() + ")" + advice));
  EXPECT_THAT(error_of<DataError>([] { Dataset::open("/no/where"); }), HasSubstr("/no/where" + missing + advice));
}

TEST_F(ManifestTest, NamesMayBeTooLongForTheDisk) {
  const fs::path root = folder_.path() / std::string(300, 'n');
  EXPECT_EQ(error_of<DataError>([&] { Dataset::open(root); }),
            (root / "dataset.yaml").string() + ": cannot be read: File name too long");
  const std::string split = std::string(245, 'n') + ".jsonl";  // with .index it has 257 letters
  write_text(folder_.path() / split, "{\"image\": \"a.jpg\"}\n");
  const Dataset long_name = dataset("", "name: t\nclasses: [awe]\nsplits: {train: " + split + "}\n");
  EXPECT_EQ(Manifest::open(long_name, "train").size(), 1U) << "its index is kept in memory";
}

TEST_F(ManifestTest, TheIndexFollowsTheFileAndSurvivesDamage) {
  std::string lines;
  for (int i = 0; i < 50; ++i)
    lines +=
        fmt::format("{{\"image\": \"{}.jpg\", \"labels\": [{}], \"keywords\": [\"w{}\", \"w{}\"]}}\n", i, i % 3, i % 7, i % 5);
  const Dataset data = dataset(lines);
  const auto content = [&] {
    std::string text;
    const Manifest manifest = Manifest::open(data, "train");
    for (std::size_t i = 0; i < manifest.size(); ++i) {
      text += fmt::format("{} {} ", manifest[i].image, manifest[i].labels[0]);
      for (const auto word : manifest[i].keywords) text += std::string(manifest.word(word)) + " ";
    }
    return text;
  };
  const std::string expected = content();
  const fs::path index = folder_.path() / "train.jsonl.index";
  const std::string whole = read_file(index);
  EXPECT_EQ(content(), expected) << "through the index";
  for (std::size_t size = 0; size < whole.size(); size += 37) {  // cut anywhere: made anew
    write_text(index, whole.substr(0, size));
    ASSERT_EQ(content(), expected) << size;
    ASSERT_EQ(read_file(index).size(), whole.size());
  }
  for (std::size_t at = 0; at < whole.size(); at += 53) {  // damaged within: made anew, or named; never a crash
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    write_text(index, damaged);
    try {
      content();
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr("train.jsonl.index: damaged; delete it, it is made anew"));
    }
  }
  write_text(folder_.path() / "train.jsonl", "{\"image\": \"other.jpg\", \"labels\": [1]}\n");
  EXPECT_EQ(content(), "other.jpg 1 ");
}

// Ids are places in lists, offsets places in the file: an index with others is made anew.
TEST_F(ManifestTest, AnIndexThatNamesWhatIsNotThereIsMadeAnew) {
  const Dataset data = dataset(
      "{\"image\": \"a\", \"labels\": [0], \"keywords\": [\"sky\"], \"votes\": [1]}\n{\"image\": \"b\", \"labels\": [1]}\n");
  EXPECT_EQ(Manifest::open(data, "train").size(), 2U);
  const fs::path index = folder_.path() / "train.jsonl.index";
  const std::string whole = read_file(index);
  const std::size_t samples = 80, ids = samples + 2 * 72;  // behind the header
  const auto expect_repaired = [&](const char* what, std::size_t at, std::size_t size, std::uint64_t value) {
    std::string damaged = whole;
    std::memcpy(damaged.data() + at, &value, size);
    write_text(index, damaged);
    const Manifest manifest = Manifest::open(data, "train");
    EXPECT_EQ(manifest[0].labels[0], 0U) << what;
    EXPECT_EQ(manifest.word(manifest[0].keywords[0]), "sky") << what;
    EXPECT_EQ(manifest[0].votes[0], 1U) << what;
    EXPECT_EQ(read_file(index), whole) << what;
  };
  expect_repaired("label", ids, 4, 400'000'000);
  expect_repaired("class above the last", ids + 12, 4, 3);
  expect_repaired("keyword", ids + 4, 4, 1);
  expect_repaired("vote", ids + 8, 4, ~0U);
  expect_repaired("line", samples, 8, std::uint64_t{1} << 62);
  expect_repaired("line not after the one before", samples + 72, 8, 1);
  expect_repaired("place of the paths", samples + 8, 8, ~std::uint64_t{0});
  expect_repaired("place of the ids", samples + 16, 8, ~std::uint64_t{0});
  expect_repaired("length of the image", samples + 24, 4, ~0U);
  expect_repaired("number of labels", samples + 36, 4, 1000);
}

// The memory of an index is some times that of the finished file.
TEST_F(ManifestTest, AnIndexThatAnotherProcessMakesIsWaitedForAndUsed) {
  const Dataset data = dataset("{\"image\": \"a\", \"labels\": [0]}\n");
  const fs::path index = folder_.path() / "train.jsonl.index", kept = folder_.path() / "kept";
  EXPECT_EQ(Manifest::open(data, "train").size(), 1U);
  fs::rename(index, kept);
  const int other = ::open((folder_.path() / "train.jsonl").c_str(), O_RDONLY);
  ASSERT_EQ(::flock(other, LOCK_EX), 0);
  std::atomic<bool> opened = false;
  std::thread waiting([&] {
    EXPECT_EQ(Manifest::open(data, "train").size(), 1U);
    opened = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_FALSE(opened);
  const auto made = fs::last_write_time(kept);
  fs::rename(kept, index);
  ::close(other);
  waiting.join();
  EXPECT_EQ(fs::last_write_time(index), made);
}

TEST_F(ManifestTest, TheWriterWritesWhatTheManifestReads) {
  const Dataset data = dataset("");
  Sample sample;
  sample.image = "dir/\"quoted\" é.jpg";
  sample.labels = {"fear"};
  sample.keywords = {"a\tb", "c"};
  sample.box = {1, 2, 3, 4};
  {
    ManifestWriter writer(folder_.path() / "train.jsonl");
    writer.write(sample);
    EXPECT_EQ(read_file(folder_.path() / "train.jsonl"), "") << "nothing is seen before close";
    writer.close();
  }
  const Manifest manifest = Manifest::open(data, "train");
  EXPECT_EQ(manifest[0].image, sample.image);
  EXPECT_EQ(manifest.word(manifest[0].keywords[0]), "a\tb");
}

TEST_F(ManifestTest, TheWriterKeepsALink) {
  write_text(folder_.path() / "elsewhere/lines.jsonl", "old");
  const fs::path file = folder_.path() / "linked.jsonl";
  fs::create_symlink("elsewhere/lines.jsonl", file);
  ManifestWriter writer(file);
  writer.write({.image = "a.png"});
  writer.close();
  EXPECT_TRUE(fs::is_symlink(file));
  EXPECT_EQ(read_file(folder_.path() / "elsewhere/lines.jsonl"), "{\"image\":\"a.png\"}\n");
}

// emotion_data faces and regions that end together: neither's field is lost.
TEST_F(ManifestTest, AnUpdateWaitsForAnother) {
  const Manifest manifest = Manifest::open(dataset("{\"image\":\"a.png\"}\n"), "train");
  const fs::path file = folder_.path() / "train.jsonl";
  auto other = std::make_unique<FileLock>(file.string() + ".lock");
  std::thread update([&] { update_manifest(manifest, "face", {"f.png"}); });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  write_text(file, "{\"image\":\"a.png\",\"regions\":\"r.safetensors\"}\n");
  other.reset();
  update.join();
  EXPECT_EQ(read_file(file), "{\"image\":\"a.png\",\"regions\":\"r.safetensors\",\"face\":\"f.png\"}\n");
}

TEST_F(ManifestTest, TargetsComeFromLabelsKeywordsOrAFile) {
  const Manifest manifest = Manifest::open(dataset("{\"image\": \"a\", \"labels\": [\"awe\"], \"keywords\": [\"fear\", "
                                                   "\"sky\"]}\n{\"image\": \"b\", \"keywords\": [\"calm\", \"sky\"]}\n"),
                                           "train");
  const auto targets = TargetClasses::make("labels", manifest);
  const SplitTargets labels(manifest, targets, "labels", "");
  EXPECT_THAT(labels(0), ElementsAre(0));
  EXPECT_THAT(labels(1), ElementsAre(2)) << "from the keywords where there is no label";
  const auto words = TargetClasses::make("keywords", manifest);
  EXPECT_THAT(words.classes, ElementsAre("calm", "fear", "sky"));
  EXPECT_THAT(SplitTargets(manifest, words, "keywords", "")(0), ElementsAre(1, 2));
  const std::string file = (folder_.path() / "map.tsv").string();
  write_text(file, "awe\tpositive\ncalm\tpositive\nfear\tnegative\n");
  const auto coarse = TargetClasses::make(file, manifest);
  EXPECT_THAT(coarse.classes, ElementsAre("positive", "negative"));
  EXPECT_THAT(SplitTargets(manifest, coarse, file, "")(0), ElementsAre(0, 1));
  write_text(file, "awe positive\n");
  EXPECT_EQ(error_of<DataError>([&] { TargetClasses::make(file, manifest); }), file + ":1: keyword<TAB>class is wanted");
  write_text(file, "awe\tpositive\nfear\tn\xe9gatif\n");
  EXPECT_EQ(error_of<DataError>([&] { TargetClasses::make(file, manifest); }),
            file + ":2: 'fear\tn\\xe9gatif' is not UTF-8; save the file as that");
}

TEST_F(ManifestTest, ASampleWithoutAnEmotionIsNamed) {
  const Manifest manifest = Manifest::open(dataset("{\"image\": \"a\", \"keywords\": [\"sky\"]}\n"), "train");
  EXPECT_THAT(error_of<DataError>([&] { SplitTargets(manifest, TargetClasses::make("labels", manifest), "labels", ""); }),
              HasSubstr("train.jsonl:1: no emotion keyword: neither labels nor keywords name a class"));
}

class ImportTest : public ManifestTest {
 protected:
  CsvImport csv(const std::string& table) const {
    write_text(folder_.path() / "table.csv", table);
    for (const char* name : {"a.jpg", "b.jpg", "c, d.jpg", "e.jpg", "f.jpg"}) write_text(folder_.path() / "images" / name, "x");
    return {.file = folder_.path() / "table.csv", .root = folder_.path() / "images", .out = folder_.path() / "out"};
  }
  std::string import_error(const CsvImport& options) const {
    const std::string text = error_without<Error>(folder_.path(), [&] { import_csv(options); });
    EXPECT_FALSE(fs::exists(folder_.path() / "out/dataset.yaml"));
    return text;
  }
};

TEST_F(ImportTest, CsvWithQuotesKeywordsAndSplits) {
  CsvImport options =
      csv("image,label,tags,part\na.jpg,awe,\"sky; sea\",train\n\"c, d.jpg\",\"fear;awe\",,train\nb.jpg,fear,night,test\n");
  options.keywords_column = "tags";
  options.split_column = "part";
  import_csv(options);
  const Dataset dataset = Dataset::open(folder_.path() / "out");
  EXPECT_THAT(dataset.classes, ElementsAre("awe", "fear"));
  const Manifest train = Manifest::open(dataset, "train");
  ASSERT_EQ(train.size(), 2U);
  EXPECT_EQ(train[1].image, "c, d.jpg");
  EXPECT_THAT(train[1].labels, ElementsAre(1, 0));
  EXPECT_EQ(train.word(train[0].keywords[1]), "sea");
  EXPECT_TRUE(fs::exists(train.image_path(0)));
  EXPECT_EQ(Manifest::open(dataset, "test").size(), 1U);
}

TEST_F(ImportTest, CsvErrorsNameTheLine) {
  EXPECT_EQ(import_error(csv("image,emotion\na.jpg,awe\n")), "table.csv:1: there is no column 'label'; there are image, emotion");
  EXPECT_EQ(import_error(csv("image,label\na.jpg\n")), "table.csv:2: 1 fields, the header has 2");
  EXPECT_EQ(import_error(csv("image,label\na.jpg,\"awe\n")), "table.csv:2: a quote is not closed");
  EXPECT_EQ(import_error(csv("image,label\na.jpg,\n")), "table.csv:2: the label is empty");
  EXPECT_EQ(
      import_error(csv("image,label\na.jpg,awe\nb.jpg,awe\na.jpg,fear\n")),
      "table.csv:4: image a.jpg stands in line 2 as well, with another label; several labels of a picture go into one field: "
      "\"awe;fear\"");
  EXPECT_EQ(import_error(csv("image,label\na.jpg,awe\na.jpg,awe\n")), "table.csv:3: image a.jpg stands in line 2 as well");
  EXPECT_THAT(import_error(csv("image,label\nnone.jpg,awe\n")), HasSubstr("table.csv:2: "));
  EXPECT_THAT(import_error(csv("image,label\n../table.csv,awe\n")), HasSubstr("table.csv:2: "));
  CsvImport options = csv("image,label\na.jpg,awe\n");
  options.split = "80-20";
  EXPECT_EQ(import_error(options), "--split is '80-20'; 80/20 (train/val) or 80/5/15 (train/val/test) is wanted");
}

TEST_F(ImportTest, FoldersAreClassesAndTheSplitIsSeeded) {
  for (int i = 0; i < 20; ++i)
    write_text(folder_.path() / "photos" / (i % 2 ? "joy" : "anger") / (std::to_string(i) + ".JPG"), "x");
  const auto names = [&](std::uint64_t seed, const std::string& out) {
    import_folder({.root = folder_.path() / "photos", .out = folder_.path() / out, .split = "50/50", .seed = seed});
    std::string text;
    const Manifest manifest = Manifest::open(Dataset::open(folder_.path() / out), "train");
    EXPECT_EQ(manifest.size(), 10U);
    for (std::size_t i = 0; i < manifest.size(); ++i) text += std::string(manifest[i].image) + " ";
    return text;
  };
  EXPECT_EQ(names(1, "a"), names(1, "b"));
  EXPECT_NE(names(2, "c"), names(1, "d"));
  EXPECT_THAT(Dataset::open(folder_.path() / "a").classes, ElementsAre("anger", "joy"));
}

TEST_F(ImportTest, FoldersMayBeLinkedAndDeep) {
  write_text(folder_.path() / "disk/1.jpg", "x");
  write_text(folder_.path() / "disk/deeper/2.jpg", "x");
  fs::create_directories(folder_.path() / "photos/joy/folder.jpg");
  write_text(folder_.path() / "photos/joy/3.jpg", "x");
  fs::create_directory_symlink(folder_.path() / "disk", folder_.path() / "photos/anger");
  fs::create_directory_symlink(folder_.path() / "disk", folder_.path() / "photos/joy/more");
  fs::create_directory_symlink(folder_.path() / "photos", folder_.path() / "disk/back");
  import_folder({.root = folder_.path() / "photos", .out = folder_.path() / "out", .split = "50/50", .seed = 1});
  std::vector<std::string> images;
  const Dataset dataset = Dataset::open(folder_.path() / "out");
  for (const char* split : {"train", "val"}) {
    const Manifest manifest = Manifest::open(dataset, split);
    for (std::size_t i = 0; i < manifest.size(); ++i) images.emplace_back(manifest[i].image);
  }
  std::sort(images.begin(), images.end());
  EXPECT_THAT(images, ElementsAre("anger/1.jpg", "anger/deeper/2.jpg", "joy/3.jpg", "joy/more/1.jpg", "joy/more/deeper/2.jpg"));
}

TEST(FolderManifestTest, FollowsLinksAndPassesOverWhatSystemsLeaveBehind) {
  const ScratchFolder folder;
  const fs::path photos = folder.path() / "photos";
  for (const char* name : {"b.jpg", "._b.jpg", "a/2.JPG", "a/notes.txt", "__MACOSX/b.jpg", ".trash/c.jpg"})
    write_text(photos / name, "x");
  write_text(folder.path() / "disk/deep/1.png", "x");
  fs::create_directory_symlink("../disk", photos / "linked");
  fs::create_directory_symlink("../photos", folder.path() / "disk/back");
  fs::create_directories(folder.path() / "scratch");
  const Manifest manifest = folder_manifest(photos, folder.path() / "scratch");
  std::vector<std::string> images;
  for (std::size_t i = 0; i < manifest.size(); ++i) images.emplace_back(manifest[i].image);
  EXPECT_THAT(images, ElementsAre("a/2.JPG", "b.jpg", "linked/deep/1.png"));
}

}  // namespace
}  // namespace emotion
