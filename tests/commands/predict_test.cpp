#include <array>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <torch/utils.h>

#include "../support/commands.h"
#include "../support/detector_weights.h"
#include "../support/networks.h"
#include "../support/scratch.h"
#include "../support/terminal.h"
#include "emotion/data/decode.h"
#include "emotion/eval/extract_regions.h"
#include "emotion/eval/loose_pictures.h"
#include "emotion/io/weights.h"
#include "emotion/model/image_classifier.h"
#include "emotion/report/picture.h"
#include "emotion/stimuli/face_settings.h"
#include "emotion/train/checkpoint.h"
#include "emotion/train/stimuli_model.h"

// emotion_predict --detector as a command, on networks of this test's own.
namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kWidth = 16, kRegions = 3;

class PredictTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    make_folder();
    write_stimuli("semantic", fmt::format("branches: [semantic], semantic: {{regions: {}, steps: 2, attention: 4}}", kRegions));
    write_stimuli("none", "branches: [semantic], semantic: {regions: 0, steps: 2, attention: 4}");
    write_detector("detector", kWidth, 0);
  }
  /// With a picture of people and the network `global`, which sees neither regions nor faces.
  static void make_folder() {
    folder_ = std::make_unique<ScratchFolder>();
    fs::copy_file(fs::path(EMOTION_TEST_DATA) / "../stimuli/fixtures/faces.png", file("people.png"));
    write_stimuli("global", "branches: [global], backbone: resnet18");
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static fs::path file(const std::string& name) { return folder_->path() / name; }
  static std::string weights(const std::string& name) { return name + ".safetensors"; }

  static void write(const std::string& name, const torch::nn::Module& network, const RunConfig& config,
                    const std::vector<std::string>& classes, const std::string& faces = {}, const std::string& regions = {}) {
    write_network(
        file(weights(name)), network,
        {.task = config.task, .config = print_run_config(config), .classes = classes, .faces = faces, .regions = regions});
  }
  static RunConfig config(const std::string& task, const std::string& model) {
    return parse_run_config(
        fmt::format("task: {}\ndata: {{train: {{dataset: gone, split: train}}}}\nmodel: {{{}}}\n", task, model), task);
  }
  static void write_stimuli(const std::string& name, const std::string& model, const std::string& faces = {},
                            const std::string& regions = {}) {
    torch::manual_seed(4);
    const RunConfig made = config("stimuli", model);
    write(name, *StimuliNet(stimuli_net_options(made, 4, kWidth)), made, {"awe", "fear", "joy", "sad"}, faces, regions);
  }
  /// least: no score is above 1, so that nothing is found
  static void write_detector(const std::string& name, std::int64_t head, double least) {
    const RunConfig made =
        config("detector",
               fmt::format("backbone: resnet18, detector: {{min_size: 64, max_size: 96, anchor_size: 8, channels: 8, head: {}, "
                           "score_threshold: {}}}",
                           head, least));
    FasterRCNN network(faster_rcnn_options(made, 2));
    fill_detector(*network);
    write(name, *network, made, {"sun", "dog"});
  }

  static Process::Result run(const Words& words) { return command(folder_->path(), joined({"emotion_predict"}, words)); }
  /// All that a run says which must fail with `code`.
  static std::string error(int code, const std::vector<std::string>& arguments) {
    const Process::Result result = run(arguments);
    EXPECT_EQ(result.code, code) << result.errors;
    EXPECT_EQ(result.output, "");
    return result.errors;
  }

  static std::unique_ptr<ScratchFolder> folder_;
};
std::unique_ptr<ScratchFolder> PredictTest::folder_;

TEST_F(PredictTest, TheDetectorsBestRegionsAreWhatTheNetworkLooksAt) {
  const Process::Result result =
      run({"--checkpoint", weights("semantic"), "--detector", weights("detector"), "people.png", "--json", "p.json"});
  ASSERT_EQ(result.code, 0) << result.errors;
  const auto json = nlohmann::json::parse(read_file(file("p.json"))).at(0);
  const Device device = Device::open("cpu");
  const TrainedDetector detector = load_detector(file(weights("detector")), {}, device);
  const RegionFile found = find_regions(picture_tensor(decode_image(file("people.png"))), detector, device, kRegions);
  ASSERT_EQ(found.scores.size(0), kRegions);
  ASSERT_EQ(json["regions"].size(), static_cast<std::size_t>(kRegions));
  double attention = 0;
  for (std::int64_t i = 0; i < kRegions; ++i) {
    const auto& region = json["regions"][static_cast<std::size_t>(i)];
    const auto box = region["box"].get<std::array<float, 4>>();
    for (std::int64_t k = 0; k < 4; ++k) EXPECT_NEAR(box[static_cast<std::size_t>(k)], found.boxes[i][k].item<float>(), 1e-2);
    EXPECT_NEAR(region["score"].get<float>(), found.scores[i].item<float>(), 1e-4);
    EXPECT_EQ(region["name"], found.classes[static_cast<std::size_t>(found.labels[i].item<std::int64_t>())]);
    attention += region["attention"].get<double>();
  }
  EXPECT_NEAR(attention, 1, 1e-4);
  EXPECT_TRUE(json["branches"]["semantic"]["silent"].is_null());
}

TEST_F(PredictTest, RegionsThatAreFoundOtherwiseThanInTrainingAreTold) {
  const std::string detector = weights("detector"), setting = "model.detector.min_size=48", warning = "found the regions (";
  const std::string source = region_source(load_detector(file(detector), {setting}, Device::open("cpu")));
  EXPECT_TRUE(source.ends_with(", " + setting)) << source;
  write_stimuli("set", fmt::format("branches: [semantic], semantic: {{regions: {}, steps: 2, attention: 4}}", kRegions), {},
                source);
  const auto predict = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"--checkpoint", weights("set"), "people.png", "--detector", detector});
    const Process::Result result = run(more);
    EXPECT_EQ(result.code, 0) << result.errors;
    return result;
  };
  const Process::Result same = predict({"--detector-set", setting}), other = predict({});
  EXPECT_THAT(same.errors, Not(HasSubstr(warning)));
  EXPECT_THAT(other.errors, HasSubstr(detector + ": other weights or settings found the regions (" +
                                      source.substr(0, source.find(',')) + ") than those of the training data (" + source + ")"));
  EXPECT_NE(same.output, other.output);
  EXPECT_EQ(error(2, {"--checkpoint", weights("set"), "people.png", "--detector-set", setting}),
            "--detector-set: it says how --detector finds regions; name one\n");
}

// Fig 9 of Stimuli-aware VEA: the network's two classes are made of the data set's.
TEST_F(PredictTest, TheTruthOfADataSetIsTheNetworksClass) {
  torch::manual_seed(4);
  RunConfig made = config("stimuli", "branches: [global], backbone: resnet18");
  made.data.targets = "one_vs_all:awe";
  write("one", *StimuliNet(stimuli_net_options(made, 2, kWidth)), made, {"awe", "not awe"});
  write_text(file("one/dataset.yaml"),
             "name: one\nclasses: [awe, fear, joy, sad]\nsplits: {test: test.jsonl, val: val.jsonl}\nimage_root: ..\n");
  write_text(file("one/test.jsonl"), "{\"image\": \"people.png\", \"labels\": [\"fear\"]}\n");
  write_text(file("one/val.jsonl"), "{\"image\": \"people.png\", \"labels\": [\"awe\"]}\n");
  const auto page = [](const std::string& split) {
    const Process::Result result = run({"--checkpoint", weights("one"), "one", "--split", split, "--report", "one.html"});
    EXPECT_EQ(result.code, 0) << result.errors;
    return read_file(file("one.html"));
  };
  const std::string other = page("test"), chosen = page("val");
  EXPECT_THAT(other, HasSubstr("; truth: not awe ("));
  EXPECT_THAT(chosen, HasSubstr("; truth: awe ("));
  EXPECT_NE(other.find("(right)") == std::string::npos, chosen.find("(right)") == std::string::npos)
      << "one prediction, and two truths of which one is right";
}

TEST_F(PredictTest, ABranchWithoutRegionsSaysWhy) {
  const auto silent = [](const std::string& network, const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"--checkpoint", weights(network), "people.png"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Process::Result result = run(arguments);
    EXPECT_EQ(result.code, 0) << result.errors;
    return result.output;
  };
  EXPECT_THAT(silent("semantic", {}),
              HasSubstr("  semantic is silent: no detector was given: --detector, or a data set that emotion_data regions has "
                        "been through\n"));
  write_detector("blind", kWidth, 1);
  EXPECT_THAT(silent("semantic", {"--detector", weights("blind")}),
              HasSubstr("  semantic is silent: the detector found no region\n"));
  EXPECT_THAT(silent("none", {}), HasSubstr("  semantic is silent: no region is used (model.semantic.regions is 0)\n"));
  EXPECT_THAT(silent("semantic", {"--detector", weights("detector")}), Not(HasSubstr("semantic is silent")));
}

TEST_F(PredictTest, ADetectorThatCannotBeOfUseIsRefused) {
  const std::string detector = weights("detector");
  EXPECT_EQ(error(2, {"--checkpoint", weights("none"), "--detector", detector, "people.png"}),
            "--detector: this network looks at no regions (model.semantic.regions is 0); leave it out\n");
  EXPECT_EQ(error(2, {"--checkpoint", weights("global"), "--detector", detector, "people.png"}),
            "--detector: this network looks at no regions (model.branches has no semantic); leave it out\n");
  write("classifier", *ImageClassifier("resnet18", 2), config("classifier", "backbone: resnet18"), {"awe", "fear"});
  EXPECT_EQ(error(2, {"--checkpoint", weights("classifier"), "--detector", detector, "people.png"}),
            "--detector: only a stimuli network looks at regions; leave it out\n");
  EXPECT_EQ(error(2, {"--checkpoint", weights("classifier"), "--face-size", "32", "people.png"}),
            "--face-..: they say how a stimuli network's faces are found; leave them out\n");
  write_text(file("set/dataset.yaml"), "name: s\nclasses: [awe, fear, joy, sad]\nsplits: {test: test.jsonl}\nimage_root: ..\n");
  write_text(file("set/test.jsonl"), "{\"image\": \"people.png\"}\n");
  EXPECT_EQ(error(2, {"--checkpoint", weights("semantic"), "--detector", detector, "set"}),
            "--detector: a data set's manifest names its regions (emotion_data regions finds them); leave it out, or name "
            "pictures\n");
  write_detector("wide", 20, 0);
  EXPECT_EQ(error(3, {"--checkpoint", weights("semantic"), "--detector", weights("wide"), "people.png", "--json", "w.json"}),
            "people.png: the regions are 20 wide, the network's were 16; use the detector it was trained with\n");
  EXPECT_EQ(error(3, {"--checkpoint", weights("semantic"), "--detector", weights("global"), "people.png", "--json", "w.json"}),
            "global.safetensors: task stimuli finds no regions; a detector is wanted\n");
  write_text(file("broken.png"), "not a picture");
  EXPECT_THAT(
      error(3, {"--checkpoint", weights("semantic"), "--detector", detector, "people.png", "broken.png", "--json", "w.json"}),
      ::testing::AllOf(HasSubstr("broken.png: "), ::testing::EndsWith("\n")));
  EXPECT_FALSE(fs::exists(file("w.json")));
}

TEST_F(PredictTest, BrokenPicturesAreLeftOutOnRequest) {
  write("classifier", *ImageClassifier("resnet18", 2), config("classifier", "backbone: resnet18"), {"awe", "fear"});
  write_text(file("torn.png"), "<html>");
  write_text(file("torn/dataset.yaml"), "name: t\nclasses: [awe, fear]\nsplits: {test: test.jsonl}\nimage_root: ..\n");
  write_text(file("torn/test.jsonl"), "{\"image\": \"torn.png\"}\n{\"image\": \"people.png\"}\n");
  const std::string why = "torn.png: not a picture; JPEG, PNG, WebP, BMP, TIFF and GIF are read";
  for (const char* network : {"classifier", "global"}) {
    EXPECT_THAT(error(3, {"--checkpoint", weights(network), "people.png", "torn.png", "--json", "torn.json"}),
                ::testing::EndsWith(why + "; --set data.on_error=skip leaves it out\n"));
    const std::vector<std::string> skip{"--checkpoint", weights(network), "--set", "data.on_error=skip", "--json", "torn.json"};
    for (const std::vector<std::string>& inputs : {std::vector<std::string>{"torn.png", "people.png"}, {"torn"}}) {
      std::vector<std::string> words = skip;
      words.insert(words.end(), inputs.begin(), inputs.end());
      const auto some = run(words);
      EXPECT_EQ(some.code, 0) << some.errors;
      EXPECT_THAT(some.errors, HasSubstr(why + ": left out\n"));
      EXPECT_THAT(some.errors, HasSubstr("warning: 1 of 2 pictures cannot be read: left out (data.on_error)\n"));
      EXPECT_EQ(nlohmann::json::parse(read_file(file("torn.json"))).size(), 1U);
      fs::remove(file("torn.json"));
    }
    std::vector<std::string> words = skip;
    words.insert(words.end(), {"torn.png", "torn.png"});
    EXPECT_THAT(error(3, words), ::testing::EndsWith("no picture of 2 can be read; why stands above\n"));
    EXPECT_FALSE(fs::exists(file("torn.json")));
  }
}

// The face that a network sees must be cut as those were that it was trained on.
TEST_F(PredictTest, FacesAreCutAsTheNetworksWere) {
  const std::string model = "branches: [expression], expression_backbone: resnet18";
  write_stimuli("expression", model, face_settings({.size = 32, .padding = 0.5}));
  write_stimuli("unknown", model);
  const auto seen = [&](const std::string& network, const std::vector<std::string>& more, const FaceOptions& as) {
    std::vector<std::string> arguments{"--checkpoint", weights(network), "people.png", "--pictures", "seen"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Process::Result result = run(arguments);
    EXPECT_EQ(result.code, 0) << result.errors;
    const Image face = decode_image(file("seen/00001-face.png"));
    const auto expected = FaceFinder(as).largest(decode_image(file("people.png")));
    EXPECT_EQ(face.width, as.size);
    for (std::size_t i = 0; i < expected->pixels.size(); ++i) {
      if (face.pixels[3 * i] == expected->pixels[i]) continue;
      ADD_FAILURE() << "another face than with these options";
      break;
    }
    return result.errors;
  };
  EXPECT_THAT(seen("expression", {}, {.size = 32, .padding = 0.5}), Not(HasSubstr("options")));
  EXPECT_THAT(seen("expression", {"--face-size", "40"}, {.size = 40, .padding = 0.5}),
              HasSubstr("expression.safetensors: faces are found with other options ({\"detector\":\"hog\""));
  EXPECT_THAT(seen("unknown", {}, {}), HasSubstr("unknown.safetensors: how its training faces were found is not known; "
                                                 "--face-size, --face-padding .. say it, these are used: {\"detector\":"));
  EXPECT_THAT(seen("unknown", {"--face-size", "24", "--face-padding", "0.1"}, {.size = 24, .padding = 0.1}),
              HasSubstr("\"size\":24"));
  write_text(file("faced/dataset.yaml"), "name: f\nclasses: [awe, fear]\nsplits: {test: test.jsonl}\nimage_root: ..\n");
  write_text(file("faced/test.jsonl"), "{\"image\": \"people.png\"}\n");
  EXPECT_EQ(error(2, {"--checkpoint", weights("expression"), "--face-size", "32", "faced"}),
            "--face-..: a data set's manifest names its faces (emotion_data faces finds them); leave it out, or name pictures\n");
  EXPECT_EQ(error(2, {"--checkpoint", weights("global"), "--face-size", "32", "people.png"}),
            "--face-..: this network looks at no faces (model.branches has no expression); leave it out\n");
}

/// A network of faces and one of whole pictures, with the same weights.
class FaceNetworkTest : public PredictTest {
 protected:
  static void SetUpTestSuite() {
    make_folder();
    torch::manual_seed(5);
    const ImageClassifier network("resnet18", 2);
    for (const char* picture : {"face", "image"}) {
      const RunConfig made = parse_run_config(
          fmt::format("task: classifier\nmodel: {{backbone: resnet18}}\ndata: {{picture: {}, resize: 48, size: 48}}\n", picture),
          "made");
      write(picture, *network, made, {"awe", "fear"});
    }
    FaceFinder finder(FaceOptions{});
    write_file_atomically(file("found.png"), encode_png(*largest_face(finder, decode_image(file("people.png")))));
    Image grey{60, 60, std::vector<std::uint8_t>(60 * 60 * 3, 90)};
    write_file_atomically(file("blank.png"), encode_png(grey));
    for (int i = 0; i < 60 * 40; ++i) grey.pixels[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(i % 251);
    write_file_atomically(file("other.png"), encode_png(grey));
    write_text(file("set/dataset.yaml"), "name: s\nclasses: [awe, fear]\nsplits: {test: test.jsonl}\nimage_root: ..\n");
    write_text(file("set/test.jsonl"), "{\"image\": \"people.png\", \"face\": \"other.png\"}\n{\"image\": \"blank.png\"}\n");
  }
  /// Of the one picture that is predicted.
  static nlohmann::json probabilities(const std::string& network, const std::string& input, const std::string& warning = "") {
    const auto result = run({"--checkpoint", weights(network), input, "--json", "p.json", "--log-level", "warning"});
    EXPECT_EQ(result.code, 0);
    EXPECT_EQ(result.errors, warning);
    const auto json = nlohmann::json::parse(read_file(file("p.json")));
    EXPECT_EQ(json.size(), 1U);
    return json.at(0)["probabilities"];
  }
  static Process::Result search(const Words& words) { return command(folder_->path(), joined({"emotion_search"}, words)); }
};

TEST_F(FaceNetworkTest, ThePictureIsTheFace) {
  EXPECT_EQ(probabilities("face", "people.png"), probabilities("image", "found.png")) << "the largest face that is found";
  EXPECT_NE(probabilities("face", "people.png"), probabilities("image", "people.png"));
  EXPECT_EQ(probabilities("face", "set", "warning: set/test.jsonl: 1 of 2 samples have no face: left out\n"),
            probabilities("image", "other.png"))
      << "the face of the data set's sample";
}

// AlexNet's classifier does not stand right behind a mean over places: there is no map.
TEST_F(FaceNetworkTest, ANetworkWithoutMapsHasAReportWithoutThem) {
  ImageClassifier network("alexnet", 2);
  write("alexnet", *network,
        parse_run_config("task: classifier\nmodel: {backbone: alexnet}\ndata: {resize: 64, size: 64}\n", "made"),
        {"awe", "fear"});
  const auto result =
      run({"--checkpoint", weights("alexnet"), "people.png", "--report", "a.html", "--json", "a.json", "--log-level", "warning"});
  EXPECT_EQ(result.code, 0) << result.errors;
  const std::string html = read_file(file("a.html"));
  EXPECT_THAT(html, HasSubstr("<p>Network: alexnet.safetensors. This network gives no class activation map.</p>"));
  EXPECT_THAT(html, HasSubstr("<img alt=\"picture\" src=\"data:image/jpeg;base64,"));
  EXPECT_THAT(html, Not(HasSubstr("<img alt=\"class activation map")));
  EXPECT_EQ(nlohmann::json::parse(read_file(file("a.json"))).size(), 1U);
  EXPECT_EQ(error(2, {"--checkpoint", weights("alexnet"), "people.png", "--pictures", "maps", "--log-level", "warning"}),
            "--pictures: alexnet.safetensors gives no class activation map (model.backbone is alexnet); leave it out\n");
  EXPECT_FALSE(fs::exists(file("maps")));
}

TEST_F(FaceNetworkTest, ADataSetsFlagsAreRefusedForPictures) {
  for (const char* network : {"image", "global"}) {
    EXPECT_EQ(error(2, {"--checkpoint", weights(network), "people.png", "--split", "test"}),
              "--split: belongs to a data set, and people.png is none; leave it out\n");
    EXPECT_EQ(error(2, {"--checkpoint", weights(network), ".", "--count", "3"}),
              "--count: belongs to a data set, and . is none; leave it out\n");
  }
}

TEST_F(FaceNetworkTest, PicturesWithoutAFaceAreLeftOutAndNamed) {
  const std::string warning = "warning: blank.png: no face was found, and face.safetensors sees faces (data.picture): left out\n";
  const auto some = run({"--checkpoint", weights("face"), "blank.png", "people.png", "--log-level", "warning"});
  EXPECT_EQ(some.code, 0);
  EXPECT_EQ(some.errors, warning);
  EXPECT_THAT(some.output, ::testing::StartsWith("people.png\n"));
  const auto none = run({"--checkpoint", weights("face"), "blank.png", "--json", "none.json", "--log-level", "warning"});
  EXPECT_EQ(none.code, 3);
  EXPECT_EQ(none.errors, warning + "emotion_predict: there is no face in any picture; nothing is predicted\n");
  EXPECT_FALSE(fs::exists(file("none.json")));
}

TEST_F(FaceNetworkTest, ASignalStopsItBetweenPictures) {
  const Words words{"emotion_predict", "--checkpoint", weights("image"), "--pictures", "maps", "--json", "stopped.json"};
  const Process process(folder_->path(), command_words(joined(words, Words(2000, "other.png"))));
  while (!fs::exists(file("maps/00001-map.png"))) ::usleep(1000);
  process.send(SIGTERM);
  const auto result = process.wait();
  EXPECT_EQ(result.code, 130);
  EXPECT_THAT(result.errors, ::testing::EndsWith("interrupted; the predictions were not written\n"));
  EXPECT_FALSE(fs::exists(file("stopped.json")));
  EXPECT_FALSE(fs::exists(file("maps/02000-map.png")));
}

TEST_F(FaceNetworkTest, ASignalLeavesThePicturesOfAStimuliNetworkAndNamesThem) {
  const Words words{"emotion_predict", "--checkpoint", weights("global"), "--pictures", "left", "--json", "left.json"};
  const Process process(folder_->path(), command_words(joined(words, Words(2000, "other.png"))));
  while (!fs::exists(file("left/00001-picture.png"))) ::usleep(1000);
  process.send(SIGTERM);
  const auto result = process.wait();
  EXPECT_EQ(result.code, 130);
  EXPECT_THAT(result.errors, ::testing::EndsWith("interrupted; the pictures so far are in left, no JSON or page was written\n"));
  EXPECT_FALSE(fs::exists(file("left.json")));
}

// A bar is first shown after 0.2 s: with as many pictures as these there is one.
TEST_F(FaceNetworkTest, ManyPicturesHaveABarOnATerminal) {
  const Words pictures(200, "other.png");
  const auto expect_bar = [&](const std::string& title, const Words& words) {
    const std::string shown = shown_on_terminal(folder_->path(), joined(words, pictures));
    EXPECT_THAT(shown, HasSubstr("\r\033[K" + title + " "));
    EXPECT_THAT(shown, HasSubstr("/200  "));
    EXPECT_THAT(shown, ::testing::EndsWith("\r\033[K"));
  };
  expect_bar("predict", {"emotion_predict", "--checkpoint", weights("image")});
  ASSERT_EQ(search({"index", "--checkpoint", weights("image"), "--data", "set", "--split", "test", "--out", "bar"}).code, 0);
  expect_bar("search", {"emotion_search", "image", "--index", "bar", "--k", "1"});

  // A warning takes the bar's place.
  write_text(file("torn.png"), "no picture");
  const Words words{"emotion_predict", "--checkpoint", weights("image"), "--set", "data.on_error=skip"};
  EXPECT_THAT(shown_on_terminal(folder_->path(), joined(joined(words, pictures), {"torn.png"})),
              HasSubstr("\r\033[Kwarning: torn.png: "));
}

TEST_F(FaceNetworkTest, SearchComparesFaces) {
  write_text(file("set/test.jsonl"),
             "{\"image\": \"people.png\", \"face\": \"found.png\"}\n{\"image\": \"blank.png\", \"face\": \"other.png\"}\n");
  ASSERT_EQ(search({"index", "--checkpoint", weights("face"), "--data", "set", "--split", "test", "--out", "x"}).code, 0);
  const auto found = search({"image", "--index", "x", "--k", "1", "people.png"});
  EXPECT_EQ(found.output, "people.png\n  1.0000 people.png\n") << found.errors;
  const auto blank = search({"image", "--index", "x", "--k", "1", "blank.png"});
  EXPECT_EQ(blank.code, 3);
  EXPECT_THAT(blank.errors, ::testing::StartsWith("blank.png: no face was found, and "));
  fs::create_directories(file("loose"));
  fs::copy_file(file("people.png"), file("loose/people.png"));
  const auto folder = search({"index", "--checkpoint", weights("face"), "--data", "loose", "--out", "y"});
  EXPECT_EQ(folder.code, 3);
  EXPECT_EQ(folder.errors,
            "loose: face.safetensors sees faces (data.picture), which a folder of pictures does not name; make a data set of it "
            "(emotion_data import) and find them with emotion_data faces\n");
}

// Hours may lie between the first picture and the last.
TEST_F(FaceNetworkTest, WhereResultsGoIsAskedBeforeTheFirstPicture) {
  for (const char* network : {"image", "global"}) {
    for (const char* flag : {"--json", "--report"}) {
      EXPECT_EQ(error(1, {"--checkpoint", weights(network), "gone.png", flag, "nowhere/x"}),
                "nowhere/x: cannot be written: No such file or directory\n");
    }
    EXPECT_EQ(error(1, {"--checkpoint", weights(network), "gone.png", "--pictures", "people.png/maps"}),
              "people.png/maps: cannot be made: Not a directory\n");
  }
}

}  // namespace
}  // namespace emotion
