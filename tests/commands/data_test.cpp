#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>

#include "../support/http_server.h"
#include "../support/process.h"
#include "../support/scratch.h"
#include "emotion/commands/data.h"
#include "emotion/data/manifest.h"
#include "emotion/error.h"

// The commands that make a data set from another, as a user calls them: flags, files, exit codes, what they say.
namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Words = std::vector<std::string>;

class DataCommandTest : public ::testing::Test {
 protected:
  fs::path file(const std::string& name) const { return folder_.path() / name; }
  Process::Result run(const std::string& line) const {
    Words words{std::string(EMOTION_BIN) + "/emotion_data"};
    for (std::size_t begin = 0; begin < line.size();) {
      const std::size_t end = std::min(line.find(' ', begin), line.size());
      words.push_back(line.substr(begin, end - begin));
      begin = end + 1;
    }
    return Process(folder_.path(), words).wait();
  }
  /// All that a run says which must fail with `code`.
  std::string error(int code, const std::string& line) const {
    const Process::Result result = run(line);
    EXPECT_EQ(result.code, code) << line << ": " << result.errors;
    EXPECT_EQ(result.output, "");
    return result.errors;
  }
  void write_dataset(const std::string& name, const std::string& lines, const std::string& split = "all") const {
    write_text(file(name + "/dataset.yaml"),
               fmt::format("name: pets & co\nclasses: [awe, fear, calm]\nsplits: {{{0}: {0}.jsonl}}\n", split));
    write_text(file(name + "/" + split + ".jsonl"), lines);
  }
  void write_picture(const std::string& name, int side, int kind) const {
    cv::Mat picture(side, side, CV_8UC3);
    for (int y = 0; y < side; ++y) {
      for (int x = 0; x < side; ++x) {
        const int value = kind == 0 ? 255 * x / side : kind == 1 ? 255 * y / side : (x * 5 / side + y * 7 / side) % 2 * 200;
        picture.at<cv::Vec3b>(y, x) = cv::Vec3b(static_cast<unsigned char>(value), 90, static_cast<unsigned char>(255 - value));
      }
    }
    fs::create_directories(file(name).parent_path());
    cv::imwrite(file(name).string(), picture);
  }
  std::size_t size(const std::string& dataset, const std::string& split) const {
    return Manifest::open(Dataset::open(file(dataset)), split).size();
  }
  ScratchFolder folder_;
};

TEST_F(DataCommandTest, CurateInTwoSteps) {
  write_text(
      file("c.jsonl"),
      "{\"image\": \"1.jpg\", \"keywords\": [\"Sky\", \"joy\"]}\n{\"image\": \"2.jpg\", \"keywords\": [\"sky\", \"grief\"]}\n"
      "{\"image\": \"3.jpg\", \"keywords\": [\"sky\"]}\n");
  write_text(file("seeds.txt"), "Joy\nawe\n");
  const auto first = run("curate c.jsonl --candidates words.tsv --seeds seeds.txt --min-images 1");
  ASSERT_EQ(first.code, 0) << first.errors;
  EXPECT_THAT(first.errors, AllOf(HasSubstr("warning: seed 'awe' is no keyword of the collection"),
                                  HasSubstr("words.tsv: 1 candidates, 1 of them seeds")));
  EXPECT_THAT(read_file(file("words.tsv")), HasSubstr("yes\tjoy\t1\t1.000\tjoy\n"));
  write_text(file("words.txt"), "Joy\nGrief\n");
  const auto second = run("curate c.jsonl --categories words.txt --out made");
  ASSERT_EQ(second.code, 0) << second.errors;
  EXPECT_THAT(second.errors, HasSubstr("made: 2 of 3 images kept"));
  EXPECT_THAT(Dataset::open(file("made")).classes, ElementsAre("joy", "grief"));
  EXPECT_EQ(size("made", "all"), 2U);
  EXPECT_THAT(error(2, "curate c.jsonl"),
              HasSubstr("curate needs --candidates FILE (first step), or --categories FILE and --out"));
  EXPECT_THAT(error(2, "curate c.jsonl --categories words.txt --out made"), HasSubstr("made: there is a data set already"));
  EXPECT_THAT(error(2, "curate c.jsonl --candidates w --out other"), HasSubstr("--out requires --categories"));
  EXPECT_THAT(error(3, "curate gone.jsonl --candidates w"), HasSubstr("gone.jsonl: cannot be read"));
}

TEST_F(DataCommandTest, CurateReplacesNoCollection) {
  const std::string collection = "{\"image\": \"1.jpg\", \"keywords\": [\"sky\", \"joy\"]}\n";
  write_text(file("coll/all.jsonl"), collection);
  write_text(file("words.txt"), "joy\n");
  EXPECT_EQ(error(2, "curate coll/all.jsonl --categories words.txt --out coll"),
            "coll/all.jsonl: there is such a file already; give another --out\n");
  EXPECT_EQ(read_file(file("coll/all.jsonl")), collection);
  write_text(file("none.txt"), "grief\n");
  EXPECT_THAT(error(3, "curate coll/all.jsonl --categories none.txt --out made"), HasSubstr("no image has enough keywords"));
  EXPECT_EQ(run("curate coll/all.jsonl --categories words.txt --out made").code, 0) << "what failed left nothing";
}

// As training does: faces in the place of images where there is one, broken ones left out.
TEST_F(DataCommandTest, PreviewShowsFacesAndLeavesBrokenOnesOut) {
  write_picture("set/img/0.png", 8, 0);
  write_picture("set/face/0.png", 5, 1);
  write_text(file("set/face/2.png"), "broken");
  write_dataset("set",
                "{\"image\": \"img/0.png\", \"labels\": [0], \"face\": \"face/0.png\"}\n{\"image\": \"img/1.png\", \"labels\": "
                "[0]}\n{\"image\": \"img/2.png\", \"labels\": [0], \"face\": \"face/2.png\"}\n",
                "val");
  write_text(file("faces.yaml"),
             "task: classifier\noutput: run\ndata: {train: {dataset: set, split: val}, picture: face, on_error: skip, resize: 0, "
             "size: 5, workers: 1, augment: none, flip: false}\n");
  const auto result = run("preview --data set --config faces.yaml --out seen");
  ASSERT_EQ(result.code, 0) << result.errors;
  EXPECT_THAT(result.errors,
              AllOf(HasSubstr("seen: 1 pictures"), HasSubstr("face/2.png: "), HasSubstr("left out (data.on_error)")));
  EXPECT_EQ(cv::imread(file("seen/000000.png").string()).cols, 5);
  EXPECT_FALSE(fs::exists(file("seen/000001.png")));
  const auto rate = run("bench --data set --split val --config faces.yaml --seconds 0.1");
  ASSERT_EQ(rate.code, 0) << rate.errors;
  const auto json = nlohmann::json::parse(rate.output);
  const double images = json["images"], seconds = json["seconds"], per_second = json["images_per_second"];
  EXPECT_GT(images, 0);
  EXPECT_GE(seconds, 0.1);
  EXPECT_NEAR(per_second, images / seconds, 0.02 * per_second + 0.1) << "both are rounded";
  EXPECT_EQ(json["workers"], 1);
  EXPECT_EQ(json["size"], 5);
}

TEST_F(DataCommandTest, VoteSaysHowFarAnnotatorsAgree) {
  write_dataset("data",
                "{\"image\": \"a\", \"votes\": [0, 0, 0, 1]}\n{\"image\": \"b\", \"votes\": [1, 1, 1, 1]}\n"
                "{\"image\": \"c\", \"votes\": [0, 0, 1, 1]}\n");
  const auto result = run("vote --data data --out major --json vote.json");
  ASSERT_EQ(result.code, 0) << result.errors;
  // Agreeing pairs of 6: 3, 6 and 2; shares of the votes 5 and 7 of 12: (11/18 - 74/144) / (1 - 74/144) = 0.2.
  EXPECT_THAT(result.output, HasSubstr("3 samples with votes: agreement 0.611, by chance 0.514, Fleiss' kappa 0.200"));
  EXPECT_THAT(result.output, HasSubstr("  3 equal votes or more: 66.7 %"));
  EXPECT_EQ(size("major", "all"), 2U);
  const auto json = nlohmann::json::parse(read_file(file("vote.json")));
  EXPECT_EQ(json["majority"]["kept"], 2);
  EXPECT_EQ(json["majority"]["tied"], 1);
  EXPECT_THAT(error(2, "vote --data data --at-least 0"), HasSubstr("--at-least is 0, 1 or more is needed"));
  write_dataset("none", "{\"image\": \"a\"}\n");
  EXPECT_THAT(error(3, "vote --data none"), HasSubstr("none: no sample has two votes or more"));
}

TEST_F(DataCommandTest, StatsAsTextJsonAndPage) {
  write_dataset("data",
                "{\"image\": \"a\", \"labels\": [0, 1], \"keywords\": [\"awe\", \"<sky>\"]}\n"
                "{\"image\": \"b\", \"labels\": [1], \"keywords\": [\"fear\"]}\n");
  const auto text = run("stats data");
  ASSERT_EQ(text.code, 0) << text.errors;
  EXPECT_THAT(text.output, HasSubstr("all: 2 samples, 1.50 labels an image, 1.5 keywords an image (1 to 2)"));
  const auto files = run("stats data --json s.json --html s.html --cooccurrence together.tsv");
  ASSERT_EQ(files.code, 0) << files.errors;
  EXPECT_EQ(files.output, "");
  EXPECT_EQ(nlohmann::json::parse(read_file(file("s.json")))["splits"]["all"]["per_class"]["fear"], 2);
  EXPECT_THAT(read_file(file("s.html")), AllOf(HasSubstr("<!doctype html>"), HasSubstr("pets &amp; co"), HasSubstr("</html>"),
                                               Not(HasSubstr("<sky>")), Not(HasSubstr("http:"))));
  EXPECT_TRUE(fs::exists(file("together.tsv")));
  ASSERT_EQ(run("stats data --check-list check.tsv --check-images 1").code, 0);
  EXPECT_TRUE(fs::exists(file("check.tsv")));
  EXPECT_THAT(error(2, "stats data --check-images 1"), HasSubstr("--check-images requires --check-list"));
  EXPECT_THAT(error(3, "stats nothing"), HasSubstr("nothing: not a data set"));
}

TEST_F(DataCommandTest, DedupWritesTheSetTheGroupsAndAPage) {
  write_picture("data/a<b>.png", 60, 0);
  write_picture("data/large.png", 120, 0);
  write_picture("data/other.png", 60, 1);
  write_picture("data/third.png", 60, 2);
  write_dataset(
      "data", "{\"image\": \"a<b>.png\"}\n{\"image\": \"large.png\"}\n{\"image\": \"other.png\"}\n{\"image\": \"third.png\"}\n");
  const auto result = run("dedup --data data --out unique --groups groups.json --html groups.html");
  ASSERT_EQ(result.code, 0) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr("4 pictures, 1 groups of near-duplicates, 1 pictures not kept"));
  EXPECT_EQ(size("unique", "all"), 3U);
  const auto groups = nlohmann::json::parse(read_file(file("groups.json")))["groups"];
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0][0]["image"], "large.png");
  const std::string page = read_file(file("groups.html"));
  EXPECT_THAT(page, AllOf(HasSubstr("4 pictures, 1 groups, 1 pictures are not kept"), HasSubstr("a&lt;b&gt;.png"),
                          HasSubstr("large.png<br>120 x 120, all<br><strong>kept</strong>"), HasSubstr("src=\"data:image/"),
                          Not(HasSubstr("<b>")), Not(HasSubstr("other.png"))));
  EXPECT_THAT(result.errors, Not(HasSubstr("different labels")));
  write_dataset("data", "{\"image\": \"a<b>.png\", \"labels\": [0]}\n{\"image\": \"large.png\", \"labels\": [1]}\n");
  EXPECT_THAT(run("dedup data --groups groups.json").errors,
              HasSubstr("warning: 1 groups have pictures with different labels; the picture that is kept keeps its own"));
  EXPECT_THAT(error(2, "dedup --data data"), HasSubstr("dedup has nothing to write"));
  EXPECT_THAT(error(2, "dedup --data data --out unique"), HasSubstr("unique: there is a data set already"));
  EXPECT_THAT(error(2, "dedup --data data --groups g --radius 40"), HasSubstr("radius is 40, 0 to 32 bits are possible"));
}

// Before the work, not after it.
TEST_F(DataCommandTest, AResultThatCannotBeWrittenIsToldAtTheStart) {
  write_picture("data/a.png", 60, 0);
  write_dataset("data", "{\"image\": \"a.png\", \"votes\": [0, 0, 0]}\n");
  const std::string told = ": cannot be written: No such file or directory\n";
  EXPECT_EQ(error(1, "dedup data --out unique --html gone/p.html"), "gone/p.html" + told);
  EXPECT_EQ(error(1, "vote data --out major --json gone/v.json"), "gone/v.json" + told);
  EXPECT_EQ(error(1, "stats nothing --json gone/s.json"), "gone/s.json" + told);
  EXPECT_EQ(error(1, "stats nothing --html gone/s.html"), "gone/s.html" + told);
  EXPECT_EQ(error(1, "faces --data nothing --json gone/f.json"), "gone/f.json" + told);
  for (const char* made : {"unique", "major"}) EXPECT_FALSE(fs::exists(file(made)));
  EXPECT_EQ(run("dedup data --out unique --html unique/p.html").code, 0) << "a folder that it makes itself";
}

TEST_F(DataCommandTest, SplitByRatioCountsAndFolds) {
  std::string lines;
  for (int i = 0; i < 20; ++i) lines += fmt::format("{{\"image\": \"{}.png\", \"labels\": [{}]}}\n", i, i < 10 ? 0 : 1);
  write_dataset("data", lines);
  const auto counts = run("split --data data --out counts --counts 5/* --names some/rest");
  ASSERT_EQ(counts.code, 0) << counts.errors;
  EXPECT_THAT(counts.errors, HasSubstr("counts: some 5, rest 15"));
  ASSERT_EQ(run("split --data data --out folds --folds 5").code, 0);
  for (int k = 1; k <= 5; ++k) {
    const Manifest val = Manifest::open(Dataset::open(file("folds")), fmt::format("val-{}", k));
    ASSERT_EQ(val.size(), 4U);
    int awe = 0;
    for (std::size_t i = 0; i < 4; ++i) awe += val[i].labels[0] == 0;
    EXPECT_EQ(awe, 2) << k;
  }
  EXPECT_EQ(run("split data --out shares --ratio 70/10/10 --stratify").errors,
            "the parts of the ratio 70/10/10 add up to 90, not 100: train 77.8 %, val 11.1 %, test 11.1 %\n"
            "shares: train 16, val 2, test 2\n");
  EXPECT_THAT(run("split data --out few --counts 19/1").errors, HasSubstr("; --stratify divides each class by the ratio"));
  EXPECT_THAT(error(2, "split data --out x --counts 19/1 --stratify"), HasSubstr("excludes"));
  EXPECT_THAT(error(2, "split --data data --out x --folds 1"), HasSubstr("--folds is 1, at least 2 are needed"));
  EXPECT_THAT(error(2, "split --data data --out x --folds 5 --ratio 80/20"), HasSubstr("excludes"));
  EXPECT_THAT(error(2, "split --data data --out x --ratio 1/1/1/1"),
              HasSubstr("--ratio is '1/1/1/1'; 80/20 (train/val) or 80/5/15 (train/val/test) is wanted"));
  EXPECT_THAT(error(2, "split --data data --out x --counts 20/1"), HasSubstr("add up to 21, there are 20 samples"));
  EXPECT_FALSE(fs::exists(file("x/dataset.yaml")));
}

TEST_F(DataCommandTest, FetchGetsWhatTheListNames) {
  write_picture("a.png", 20, 0);
  const std::string body = read_file(file("a.png"));
  HttpServer server([&](const std::string& path, int) -> HttpAnswer {
    return path == "/good.png" ? HttpAnswer{.body = body} : HttpAnswer{.status = 404};
  });
  write_text(file("urls.tsv"), "in/good.png\t" + server.url("/good.png") + "\nin/gone.png\t" + server.url("/gone.png") + "\n");
  const auto result = run("fetch --urls urls.tsv --out got --allow-private");
  EXPECT_EQ(result.code, 0) << result.errors;
  EXPECT_THAT(result.errors, AllOf(HasSubstr("got: 1 fetched, 0 were there, 1 failed, 0 given up earlier"),
                                   HasSubstr("failures.tsv: what is missing and why")));
  EXPECT_EQ(read_file(file("got/in/good.png")), body);
  EXPECT_THAT(read_file(file("got/failures.tsv")), HasSubstr("final\tHTTP status 404"));
  EXPECT_THAT(error(1, "fetch --urls urls.tsv --out private"), HasSubstr("private: no picture could be fetched"));
  EXPECT_THAT(error(2, "fetch --urls urls.tsv"), HasSubstr("fetch needs --urls FILE and --out DIR, or --data DATASET"));
  EXPECT_THAT(error(2, "fetch --urls urls.tsv --out got --max-megabytes 0"), HasSubstr("--max-megabytes must be above 0"));
  write_dataset("set", "{\"image\": \"in/good.png\"}\n");
  EXPECT_THAT(error(3, "fetch --data set"), HasSubstr("set/urls.tsv: missing"));
  fs::copy(file("urls.tsv"), file("set/urls.tsv"));
  EXPECT_EQ(run("fetch --data set --allow-private").code, 0);
  EXPECT_EQ(read_file(file("set/in/good.png")), body);
}

// Excel's "CSV" of western Windows; U+FFFD in a label cannot be undone.
TEST_F(DataCommandTest, ATableThatIsNotUtf8IsRefusedByItsLine) {
  write_picture("img/a.png", 8, 0);
  write_text(file("t.csv"), "image,emotion\na.png,joy\na.png,caf\xe9\n");
  EXPECT_EQ(error(3, "import csv --file t.csv --image-column image --label-column emotion --root img --out cafe"),
            "t.csv:3: the text is not UTF-8; save it as UTF-8\n");
  EXPECT_FALSE(fs::exists(file("cafe/dataset.yaml")));
}

TEST_F(DataCommandTest, ImportLeavesClassesOutOnRequest) {
  const std::string root = (fs::path(EMOTION_TEST_DATA) / "../data/fixtures/import/iapsa_folders").string();
  const auto result = run("import iapsa --root " + root + " --out iapsa --folds 5 --without anger");
  ASSERT_EQ(result.code, 0) << result.errors;
  EXPECT_EQ(Dataset::open(file("iapsa")).classes.size(), 7U);
  EXPECT_THAT(error(2, "import folder --root " + root + " --out f --without anger"),
              HasSubstr("import folder: --without is for published data sets"));
}

TEST_F(DataCommandTest, ImportOfAFolderAsAUserGivesIt) {
  for (int i = 0; i < 5; ++i) {
    for (const char* cls : {"fear", "awe", "calm"}) write_picture(fmt::format("photos/{}/{}.png", cls, i), 8, i % 3);
  }
  const auto result = run("import folder --root photos --out set --stratify --positive awe,calm --negative fear");
  ASSERT_EQ(result.code, 0) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr("set: 3 classes; train 12, val 3"));
  EXPECT_THAT(Dataset::open(file("set")).positive, ElementsAre("awe", "calm"));
  EXPECT_THAT(error(2, "import ube --root photos --out x --positive awe"),
              HasSubstr("import ube: --positive and --negative are for folder and csv"));
  EXPECT_THAT(
      error(2, "import webdataset --root photos --out x --stratify"),
      HasSubstr("import webdataset: --stratify: the names of the shards are the splits; emotion_data split draws others"));
  for (const char* name : {"val/a/1.png", "train/a/1.png"}) write_picture("parts/" + std::string(name), 8, 0);
  EXPECT_THAT(error(2, "import folder --root parts --out x --split 80/20"), HasSubstr("leave out --split and --stratify"));
}

TEST_F(DataCommandTest, ImportRefusesWhatTheFormatDoesNotRead) {
  const auto refusal = [&](ImportOptions options) {
    options.root = file("photos").string();
    options.out = file("x").string();
    return error_of<ConfigError>([&] { emotion_data_import(options); });
  };
  const std::string shards = ": the names of the shards are the splits; emotion_data split draws others",
                    annotations = ": the files of annotations are the splits; emotion_data split draws others";
  EXPECT_EQ(refusal({.format = "webdataset", .split = "80/20"}), "import webdataset: --split" + shards);
  EXPECT_EQ(refusal({.format = "webdataset", .seed = 3}), "import webdataset: --seed" + shards);
  EXPECT_EQ(refusal({.format = "coco", .split = "80/20"}), "import coco: --split" + annotations);
  EXPECT_EQ(refusal({.format = "coco", .seed = 3}), "import coco: --seed" + annotations);
  EXPECT_EQ(refusal({.format = "webdataset", .without = {"joy"}}), "import webdataset: --without is for published data sets");
  EXPECT_EQ(error(2, "import webdataset --folds 5 --root photos --out x"),
            "import webdataset: --folds is for published data sets\n");
  for (const char* format : {"folder", "ube", "coco", "webdataset"}) {
    for (const auto& [flag, field] : {std::pair{"--split-column", &ImportOptions::split_column},
                                      {"--keywords-column", &ImportOptions::keywords_column},
                                      {"--image-column", &ImportOptions::image_column},
                                      {"--label-column", &ImportOptions::label_column},
                                      {"--separator", &ImportOptions::separator}}) {
      ImportOptions options{.format = format};
      options.*field = "x";
      EXPECT_EQ(refusal(options), fmt::format("import {}: {} is for csv", format, flag));
    }
  }
  // Each flag is its field's.
  for (const char* flag : {"--split-column", "--keywords-column", "--image-column", "--label-column", "--separator"})
    EXPECT_EQ(error(2, fmt::format("import folder {} x --root photos --out x", flag)),
              fmt::format("import folder: {} is for csv\n", flag));
  EXPECT_THAT(refusal({.format = "cvs", .label_column = "x"}), HasSubstr("import format 'cvs' is not known"));
}

TEST_F(DataCommandTest, ImportWithoutTheTrainingPicturesFails) {
  const fs::path from = fs::path(EMOTION_TEST_DATA) / "../data/fixtures/import/affectnet_folders";
  fs::copy(from, file("in"), fs::copy_options::recursive);
  for (const auto& entry : fs::recursive_directory_iterator(file("in/train"))) {
    if (entry.is_regular_file()) fs::resize_file(entry.path(), 0);
  }
  EXPECT_THAT(error(3, "import affectnet --root in --out set"),
              HasSubstr("in: none of the 7 pictures of split train can be used; train/6/x.jpg: an empty file"));
  EXPECT_FALSE(fs::exists(file("set/dataset.yaml")));
  EXPECT_EQ(run("import affectnet --root in --out set --split 50/50").code, 0);
}

}  // namespace
}  // namespace emotion
