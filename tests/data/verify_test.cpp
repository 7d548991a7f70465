#include "emotion/data/verify.h"

#include <new>

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/commands.h"
#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/io/weights.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class VerifyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const fs::path picture = fs::path(EMOTION_TEST_DATA) / "fixtures/rgb.png";
    for (const char* name : {"a.png", "b.png", "face.png"}) fs::copy(picture, root_ / name);
    write_text(root_ / "broken.png", "no picture");
    write_regions("wide.safetensors", 8);
    write_regions("narrow.safetensors", 6);
    write_text(root_ / "torn.safetensors", "x");
  }
  void write_regions(const std::string& name, std::int64_t width, const std::string& source = {}, double corner = 0) const {
    StateDict state;
    if (!source.empty()) state.metadata["source"] = source;
    state.add("features", at::zeros({1, width}));
    state.add("boxes", at::tensor({0., 0., corner, corner}).to(at::kFloat).view({1, 4}));
    state.add("scores", at::zeros({1}));
    write_safetensors(root_ / name, state);
  }
  void write_sets(const std::string& splits) const {
    write_text(root_ / "dataset.yaml", "name: v\nclasses: [awe]\nsplits: {" + splits + "}\n");
  }
  /// The lines that the command prints, without the folder.
  std::vector<std::string> verify(int code) const {
    const auto result = command(folder_.path(), {"emotion_data", "verify", root_.string()});
    EXPECT_EQ(result.code, code) << result.errors;
    std::vector<std::string> lines;
    std::istringstream in(result.output);
    for (std::string line; std::getline(in, line);) {
      for (std::size_t at; (at = line.find(root_.string() + "/")) != std::string::npos;)
        line.erase(at, root_.string().size() + 1);
      lines.push_back(line);
    }
    EXPECT_THAT(result.errors,
                HasSubstr(code == 0 ? "no problem" : fmt::format("{} problem{}", lines.size(), lines.size() == 1 ? "" : "s")));
    return lines;
  }

  ScratchFolder folder_;
  fs::path root_ = folder_.path() / "set";
  const bool made_ = fs::create_directories(root_);
};

// Training skips broken pictures if told to; what needs every sample is given a data set without them.
TEST_F(VerifyTest, WritesADataSetOfWhatIsWhole) {
  write_sets("train: train.jsonl, none: none.jsonl, val: val.jsonl, bad: bad.jsonl");
  write_text(root_ / "train.jsonl",
             "{\"image\": \"a.png\", \"keywords\": [\"sun\"]}\n\n{\"image\": \"b.png\", \"labls\": [0]}\n"
             "{\"image\": \"broken.png\"}\n{\"image\": \"face.png\", \"labels\": [0]}\n"
             "{\"image\": \"b.png\", \"regions\": \"torn.safetensors\"}\n");
  write_text(root_ / "val.jsonl", "{\"image\": \"b.png\", \"labels\": [0], \"face\": \"face.png\"}\n");
  write_text(root_ / "bad.jsonl", "{\"image\": \"broken.png\"}\n");
  const std::string out = (folder_.path() / "new/whole").string();
  const auto result = command(folder_.path(), {"emotion_data", "verify", root_.string(), "--out", out});
  EXPECT_EQ(result.code, 0) << result.errors;
  EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 5) << result.output;
  EXPECT_THAT(result.errors, HasSubstr(out + ": train 2, val 1, without the 5 problems of " + root_.string()));
  EXPECT_EQ(read_file(fs::path(out) / "train.jsonl"),
            "{\"image\": \"a.png\", \"keywords\": [\"sun\"]}\n"
            "{\"image\": \"face.png\", \"labels\": [0]}\n");
  EXPECT_EQ(read_file(fs::path(out) / "val.jsonl"), read_file(root_ / "val.jsonl"));
  EXPECT_FALSE(fs::exists(fs::path(out) / "bad.jsonl"));
  const auto again = command(folder_.path(), {"emotion_data", "verify", out});
  EXPECT_EQ(again.code, 0) << again.output;
  EXPECT_THAT(again.errors, HasSubstr("3 samples, no problem"));
  EXPECT_EQ(command(folder_.path(), {"emotion_data", "verify", root_.string(), "--out", out}).code, 2) << "a data set is there";

  write_sets("bad: bad.jsonl");
  const auto none = command(folder_.path(), {"emotion_data", "verify", root_.string(), "--out", out + "2"});
  EXPECT_EQ(none.code, 3);
  EXPECT_THAT(none.errors, HasSubstr(": no sample is whole; nothing was written"));
  EXPECT_FALSE(fs::exists(fs::path(out + "2") / "dataset.yaml"));
}

// A set that lacks a split would pass for a whole one. Line 2 of val is broken, so that the others are looked at in a copy.
TEST_F(VerifyTest, ASplitThatCannotBeWrittenIsAnError) {
  write_sets("train: train.jsonl, val: val.jsonl, test: test.jsonl");
  write_text(root_ / "train.jsonl", "{\"image\": \"a.png\", \"labels\": [0]}\n");
  write_text(root_ / "val.jsonl", "{\"image\": \"b.png\", \"labels\": [0]}\nnonsense\n");
  write_text(root_ / "test.jsonl", "{\"image\": \"face.png\", \"labels\": [0]}\n");
  write_text(root_ / "annotations/val.json",
             "{\"categories\": [{\"id\": 1, \"name\": \"x\"}], \"images\": [], \"annotations\": []}");
  const fs::path out = folder_.path() / "new";
  const auto result = command(folder_.path(), {"emotion_data", "verify", root_.string(), "--out", out.string()});
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 2) << result.output;
  const std::string set = root_.string();
  EXPECT_THAT(result.errors,
              EndsWith(set + ": split val has whole samples and cannot be written: " + set +
                       "/val.jsonl:1: image b.png has no entry in " + set + "/annotations/val.json; no data set was made\n"));
  for (const char* name : {"dataset.yaml", "val.jsonl", "annotations/val.json"}) EXPECT_FALSE(fs::exists(out / name)) << name;
}

// A broken line hides no picture, a split without a file no other split.
TEST_F(VerifyTest, NothingHidesBehindAnotherProblem) {
  write_sets("train: train.jsonl, none: none.jsonl, empty: empty.jsonl, val: val.jsonl");
  write_text(root_ / "train.jsonl",
             "{\"image\": \"a.png\"}\n\n{\"image\": \"b.png\", \"labls\": [0]}\n{\"image\": \"broken.png\"}\n"
             "{\"image\": \"gone.png\"}\n");
  write_text(root_ / "empty.jsonl", "\n");
  write_text(root_ / "val.jsonl", "{\"image\": \"broken.png\"}\n");
  EXPECT_THAT(verify(3), ElementsAre(HasSubstr("train.jsonl:3: unknown key \"labls\""),
                                     HasSubstr("train.jsonl:4: broken.png: not a picture"),
                                     HasSubstr("train.jsonl:5: gone.png: cannot be read"), HasSubstr("none.jsonl: "),
                                     "empty.jsonl: the split is empty", HasSubstr("val.jsonl:1: broken.png: not a picture")));
}

TEST_F(VerifyTest, APictureIsOneHoweverItsPathIsWritten) {
  write_sets("train: train.jsonl");
  write_text(root_ / "train.jsonl",
             "{\"image\": \"a.png\"}\n{\"image\": \"./a.png\"}\n{\"image\": \"x/../a.png\"}\n{\"image\": \"./b.png\"}\n");
  EXPECT_THAT(verify(3), ElementsAre("train.jsonl:2: image ./a.png stands twice; the first is in line 1",
                                     "train.jsonl:3: image x/../a.png stands twice; the first is in line 1"));
}

TEST_F(VerifyTest, FacesAndRegionsAreRead) {
  write_sets("train: train.jsonl");
  write_text(root_ / "train.jsonl",
             "{\"image\": \"a.png\", \"face\": \"face.png\", \"regions\": \"wide.safetensors\"}\n"
             "{\"image\": \"b.png\", \"face\": \"broken.png\", \"regions\": \"torn.safetensors\"}\n"
             "{\"image\": \"face.png\", \"face\": \"gone.png\", \"regions\": \"narrow.safetensors\"}\n");
  EXPECT_THAT(
      verify(3),
      ElementsAre(HasSubstr("train.jsonl:2: face: broken.png: not a picture"),
                  HasSubstr("train.jsonl:2: regions: torn.safetensors: "), HasSubstr("train.jsonl:3: face: gone.png: "),
                  "train.jsonl:3: regions: narrow.safetensors: features are 6 wide, those before 8; the regions of a data "
                  "set come from one detector"));
}

// rgb.png has 37 x 23 pixels: what is of another size belongs to another picture.
TEST_F(VerifyTest, StimuliOfAnotherSizeOrMakingAreProblems) {
  write_sets("train: train.jsonl");
  fs::copy(fs::path(EMOTION_TEST_DATA) / "fixtures/exif1.jpg.png", root_ / "large.png");  // 40 x 24
  write_regions("far.safetensors", 8, {}, 38.5);
  write_regions("first.safetensors", 8, "abc, model.detector.min_size=48");
  write_regions("second.safetensors", 8, "abc");
  write_regions("imported.safetensors", 8, "imported from a.tsv");
  std::string lines;
  for (const auto& [image, rest] : {std::pair{"a.png", R"("regions": "imported.safetensors", "face": "face.png")"},
                                    {"b.png", R"("regions": "first.safetensors", "face": "large.png")"},
                                    {"face.png", R"("regions": "second.safetensors")"},
                                    {"large.png", R"("regions": "far.safetensors", "face": "face.png")"}})
    lines += fmt::format("{{\"image\": \"{}\", {}}}\n", image, rest);
  write_text(root_ / "train.jsonl", lines);
  EXPECT_THAT(
      verify(3),
      ElementsAre("train.jsonl:2: face: large.png: 40 x 24 pixels, those before have 37 x 23; find the faces of a data set with "
                  "one size",
                  "train.jsonl:3: regions: second.safetensors: other weights or settings found them (abc) than those before "
                  "(abc, model.detector.min_size=48); the regions of a data set come from one detector",
                  "train.jsonl:4: regions: far.safetensors: box 0 (0.0 0.0 38.5 38.5) leaves the picture of 40 x 24 pixels; the "
                  "regions are of another picture, or of another size of it"));
}

TEST_F(VerifyTest, AnnotationsOfAnotherSizeAreAProblem) {
  write_sets("train: train.jsonl");
  write_text(root_ / "train.jsonl", "nonsense\n{\"image\": \"a.png\"}\n{\"image\": \"b.png\"}\n");
  write_text(root_ / "annotations/train.json", R"({"categories": [{"id": 1, "name": "x"}], "annotations": [], "images": [)"
                                               R"({"id": 1, "file_name": "a.png", "width": 37, "height": 23},)"
                                               R"({"id": 2, "file_name": "b.png", "width": 23, "height": 37}]})");
  EXPECT_THAT(verify(3), ElementsAre(HasSubstr("train.jsonl:1: not a JSON object"),
                                     "train.jsonl:3: the picture is 37 x 23 pixels, its annotations say 23 x 37"));
}

// A network that crops to boxes stops at one; a box that reaches out of the picture is cut.
TEST_F(VerifyTest, ABoxOutsideThePictureIsAProblem) {
  write_sets("train: train.jsonl");
  write_text(root_ / "train.jsonl",
             "{\"image\": \"a.png\", \"box\": [-2, 1, 1e9, 5]}\n{\"image\": \"b.png\", \"box\": [9000, 0, 5, 5.5]}\n");
  EXPECT_THAT(verify(3),
              ElementsAre(HasSubstr("train.jsonl:2: b.png: its box 9000 0 5 5.5 lies outside the picture, which has ")));
}

TEST_F(VerifyTest, AnnotationsAreRead) {
  write_sets("train: train.jsonl");
  write_text(root_ / "train.jsonl", "{\"image\": \"a.png\"}\nnonsense\n");
  write_text(root_ / "annotations/train.json",
             "{\"categories\": [{\"id\": 1, \"name\": \"x\"}], \"images\": [], \"annotations\": []}");
  EXPECT_THAT(verify(3), ElementsAre(HasSubstr("train.jsonl:2: not a JSON object"),
                                     HasSubstr("train.jsonl:1: image a.png has no entry in annotations/train.json")));
}

// It would leave whole samples out of the new set.
TEST_F(VerifyTest, WhatIsNoFilesFaultIsNoProblemOfASample) {
  write_sets("train: train.jsonl");
  write_text(root_ / "train.jsonl", "{\"image\": \"a.png\", \"regions\": \"wide.safetensors\"}\n");
  const Manifest manifest = Manifest::open(Dataset::open(root_), "train");
  const auto problems = [&](const ReadRegions& read) { return file_problems(manifest, 1, read); };
  EXPECT_EQ(
      error_of<RunError>([&] { problems([](const fs::path&, int, int) -> SeenRegions { throw RunError("the disk fails"); }); }),
      "the disk fails");
  EXPECT_THROW(problems([](const fs::path&, int, int) -> SeenRegions { throw std::bad_alloc(); }), std::bad_alloc);
  EXPECT_THAT(problems([](const fs::path&, int, int) -> SeenRegions { throw WeightsError("torn"); }),
              ElementsAre((root_ / "train.jsonl").string() + ":1: regions: torn"));
}

TEST_F(VerifyTest, AWholeSetHasNoProblem) {
  write_sets("train: train.jsonl");
  write_text(root_ / "train.jsonl",
             "{\"image\": \"a.png\", \"face\": \"face.png\", \"regions\": \"wide.safetensors\"}\n{\"image\": \"b.png\"}\n");
  EXPECT_THAT(verify(0), IsEmpty());
}

}  // namespace
}  // namespace emotion
