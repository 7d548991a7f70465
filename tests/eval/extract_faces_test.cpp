#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <tuple>

#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/data/decode.h"
#include "emotion/data/manifest.h"
#include "emotion/data/manifest_update.h"
#include "emotion/data/split.h"
#include "emotion/data/stimulus_path.h"
#include "emotion/error.h"
#include "emotion/eval/extract_faces.h"
#include "emotion/io/file.h"
#include "emotion/stimuli/face_settings.h"

namespace {
std::atomic<int> fsyncs{0};
}

/// In the place of the C library's, for the library under test too.
extern "C" int fsync(int fd) {
  ++fsyncs;
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace emotion {
namespace {

namespace fs = std::filesystem;

/// Four samples: two people of one picture, a picture without a face, and a broken one.
class ExtractFacesTest : public testing::Test {
 protected:
  ExtractFacesTest() {
    const fs::path fixture = fs::path(EMOTION_TEST_DATA) / "../stimuli/fixtures/faces.png";
    fs::create_directories(pictures() / "sub");
    fs::copy_file(fixture, pictures() / "sub/people.png");
    fs::copy_file(fs::path(EMOTION_TEST_DATA) / "../data/fixtures/rgb.png", pictures() / "none.png");
    write_text(pictures() / "broken.png", "not a picture");
    write_text(data() / "dataset.yaml", "name: d\nclasses: [awe, fear]\nsplits: {train: train.jsonl}\nimage_root: ../pictures\n");
    write_text(data() / "train.jsonl",
               R"({"image": "sub/people.png", "labels": ["awe"], "keywords": ["two"], "face": "old.png"}
{"image": "sub/people.png", "labels": [1], "box": [200, 0, 100, 200]}

{"image": "none.png", "labels": ["fear"], "face": "old.png"}
{"image": "broken.png", "face": "old.png"}
)");
  }
  fs::path data() const { return folder_.path() / "data"; }
  fs::path pictures() const { return folder_.path() / "pictures"; }
  FaceSummary extract(const FaceOptions& options, bool anew = false) {
    const FaceFinder finder(options);
    ProcessGroup group;
    return extract_faces(Manifest::open(Dataset::open(data()), "train"), finder, options, 2, anew, group);
  }
  ScratchFolder folder_;
};

TEST_F(ExtractFacesTest, WritesFacesManifestAndRates) {
  const FaceSummary summary = extract({});
  EXPECT_EQ(summary.images, 4U);
  EXPECT_EQ(summary.with_face, 2U);
  EXPECT_EQ(summary.broken, 1U);
  EXPECT_EQ(summary.known, 0U);
  ASSERT_EQ(summary.per_class.size(), 3U);
  EXPECT_EQ(summary.per_class[0], (std::pair{std::string("awe"), std::pair<std::uint64_t, std::uint64_t>{1, 1}}));
  EXPECT_EQ(summary.per_class[1], (std::pair{std::string("fear"), std::pair<std::uint64_t, std::uint64_t>{2, 1}}));
  EXPECT_EQ(summary.per_class[2], (std::pair{std::string("no label"), std::pair<std::uint64_t, std::uint64_t>{1, 0}}));

  // Line by line: the other fields stay, a face that is none goes, a broken picture keeps what it had.
  EXPECT_EQ(read_file(data() / "train.jsonl"),
            R"({"image":"sub/people.png","labels":["awe"],"keywords":["two"],"face":"faces/sub/people.png.png"}
{"image":"sub/people.png","labels":[1],"box":[200,0,100,200],"face":"faces/sub/people.png@200,0,100,200.png"}

{"image":"none.png","labels":["fear"]}
{"image": "broken.png", "face": "old.png"}
)");
  const Manifest manifest = Manifest::open(Dataset::open(data()), "train");
  const Image face = decode_image(stimulus_path(manifest.dataset(), manifest[0].face));
  EXPECT_EQ(face.width, 48);
  EXPECT_EQ(face.height, 48);
  EXPECT_NE(face.pixels, decode_image(stimulus_path(manifest.dataset(), manifest[1].face)).pixels);
  EXPECT_FALSE(fs::exists(pictures() / "faces"));  // shared pictures are not written to
}

TEST_F(ExtractFacesTest, GoesOnWhereItStopped) {
  extract({});
  const std::string notes = read_file(data() / "faces/train.found.jsonl");
  EXPECT_EQ(extract({}).known, 3U);  // all but the broken one
  EXPECT_EQ(read_file(data() / "faces/train.found.jsonl"), notes);

  // Killed in the middle of a line, and a face deleted: both are looked at again.
  write_text(data() / "faces/train.found.jsonl", notes.substr(0, notes.size() - 10));
  const FaceSummary again = extract({});
  EXPECT_EQ(again.known, 2U);
  EXPECT_EQ(again.with_face, 2U);
  fs::remove(data() / "faces/sub/people.png.png");
  EXPECT_EQ(extract({}).known, 2U);
  EXPECT_TRUE(fs::exists(data() / "faces/sub/people.png.png"));

  EXPECT_EQ(
      error_of<ConfigError>([&] { extract({.size = 32}); }),
      (data() / "faces/train.found.jsonl").string() +
          R"(: the faces so far were found with other options ({"detector":"hog","landmarks":"shape_predictor_68_face_landmarks.dat",)"
          R"("size":48,"padding":0.25,"upsample":1,"max_side":1024,"threshold":0.0}); use those, or --anew to begin anew)");
  EXPECT_EQ(extract({.size = 32}, /*anew=*/true).known, 0U);
  EXPECT_EQ(decode_image(data() / "faces/sub/people.png.png").width, 32);
}

// A disk that turns gives some hundred of them a second. What a power cut leaves of such a file is nothing: it is found again.
TEST_F(ExtractFacesTest, FacesAreBroughtToTheDiskTogether) {
  const auto count = [&] {
    const int before = fsyncs;
    extract({});
    return fsyncs - before;
  };
  extract({});
  const int without_a_new_face = count();
  const fs::path faces[] = {data() / "faces/sub/people.png.png", data() / "faces/sub/people.png@200,0,100,200.png"};
  for (const fs::path& face : faces) {
    ASSERT_TRUE(fs::exists(face));
    write_text(face, "");
  }
  EXPECT_EQ(count(), without_a_new_face);
  for (const fs::path& face : faces) EXPECT_EQ(decode_image(face).width, 48);
}

// How faces were found stands beside them, and is found from a set that takes them over.
TEST_F(ExtractFacesTest, TheOptionsStandBesideTheFaces) {
  EXPECT_EQ(read_face_settings(Dataset::open(data()), "train"), "");
  const FaceOptions options{.size = 40, .padding = 0.3, .upsample = 0, .max_side = 900, .threshold = 0.1};
  extract(options);
  const std::string line = read_face_settings(Dataset::open(data()), "train");
  EXPECT_EQ(line, face_settings(options));
  EXPECT_EQ(read_face_settings(Dataset::open(data()), "val"), line) << "another split of the same set";
  write_new_splits(Dataset::open(data()), {.counts = "2/2"}, folder_.path() / "new");
  EXPECT_EQ(read_face_settings(Dataset::open(folder_.path() / "new"), "train"), line);
  const FaceOptions back = parse_face_settings(line, "test");
  EXPECT_EQ(std::tuple(back.size, back.padding, back.upsample, back.max_side, back.threshold), std::tuple(40, 0.3, 0, 900, 0.1));
  EXPECT_EQ(error_of<DataError>([] { parse_face_settings("{}", "net"); }), "net: '{}' does not say how faces were found");
}

TEST_F(ExtractFacesTest, UpdateRefusesAFileThatHasChanged) {
  const Manifest manifest = Manifest::open(Dataset::open(data()), "train");
  const std::vector<std::optional<std::string>> values{"a.png", std::nullopt, "", std::nullopt};
  write_text(data() / "train.jsonl", "{\"image\": \"none.png\"}\n");
  EXPECT_EQ(error_of<DataError>([&] { update_manifest(manifest, "face", values); }),
            manifest.place(0) + ": the file has changed since it was read; run the command again");
  EXPECT_EQ(read_file(data() / "train.jsonl"), "{\"image\": \"none.png\"}\n");
}

}  // namespace
}  // namespace emotion
