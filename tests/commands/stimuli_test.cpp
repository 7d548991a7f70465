#include "emotion/stimuli/region_file.h"
#include "emotion/train/stimuli_model.h"
#include "measure.h"

// Trained StimuliNets on pictures that have not been through emotion_data regions and faces.
namespace emotion {
namespace {

class StimuliCommandTest : public MeasureTest {
 protected:
  /// An untrained StimuliNet of the moods with the branches of its name; regions are four numbers wide.
  static std::string write_net(const std::string& branches, const std::string& more = {}, const std::string& regions = {},
                               const std::string& faces = {}) {
    at::manual_seed(3);
    const std::string yaml = fmt::format(
        "task: stimuli\nmodel: {{backbone: resnet18, branches: [{}], semantic: {{steps: 1, attention: 2{}}}}}\n"
        "data: {{train: {{dataset: gone, split: train}}, resize: 32, size: 32}}\n",
        branches, more);
    ModelInfo made = info("stimuli", kMoods);
    made.config = yaml;
    made.regions = regions;
    made.faces = faces;
    const StimuliNet network(stimuli_net_options(parse_run_config(yaml, "test"), 8, 4));
    write_network(root() / "stimuli.safetensors", *network, made);
    return "stimuli.safetensors";
  }
  static std::vector<std::string> extract(const std::string& data) {
    return {"emotion_extract", "--checkpoint", "stimuli.safetensors", "--data", data, "--split", "test", "--out", "out"};
  }
  static std::vector<std::string> eval(const std::string& data) {
    return {"emotion_eval", "--checkpoint", "stimuli.safetensors", "--data", data, "--split", "test", "--bootstrap", "0"};
  }
  static std::string warning(const std::vector<std::string>& arguments) {
    const auto result = run(arguments);
    EXPECT_EQ(result.code, 0);
    fs::remove(root() / "out");
    return result.errors;
  }
};

TEST_F(StimuliCommandTest, AFolderHasNeitherRegionsNorFaces) {
  const std::string folder = "moods/images",
                    regions =
                        "moods/images: stimuli.safetensors looks at regions, which a folder of pictures "
                        "does not name; make a data set of it (emotion_data import) and find them with "
                        "emotion_data regions",
                    faces =
                        "moods/images: stimuli.safetensors looks at faces, which a folder of pictures does not name; make a data "
                        "set of it (emotion_data import) and find them with emotion_data faces";
  write_net("semantic");
  refuses(extract(folder), 3, regions);
  write_net("semantic, expression", ", regions: 0");
  refuses(extract(folder), 3, faces);
  write_net("global, semantic, expression");
  EXPECT_EQ(warning(extract(folder)), "warning: " + regions + "; until then the semantic branch adds nothing\nwarning: " + faces +
                                          "; until then the expression branch adds nothing\n");
  write_net("global, semantic", ", regions: 0");
  EXPECT_EQ(warning(extract(folder)), "");
}

TEST_F(StimuliCommandTest, NeitherHasASplitThatWentThroughNoStep) {
  write_eight("plain", 8);
  const std::string regions = "plain/all.jsonl: no sample has regions; emotion_data regions finds them";
  write_net("semantic");
  refuses(extract("plain"), 3, regions);
  refuses(eval("plain"), 3, regions);
  write_net("global, semantic");
  EXPECT_EQ(warning(extract("plain")), "warning: " + regions + "; until then the semantic branch adds nothing\n");
  EXPECT_EQ(warning(eval("plain")), "warning: " + regions + "; until then the semantic branch adds nothing\n");
}

// Pictures without a person are as they are: what counts is that somebody looked.
TEST_F(StimuliCommandTest, FacesThatWereLookedForInVainAreNotMissed) {
  write_eight("bare", 8);
  const std::string faces = "bare/all.jsonl: no sample has a face; emotion_data faces finds them";
  const auto nets = {"expression", "global, expression"};
  write_net("expression");
  refuses(extract("bare"), 3, faces);
  // A list of which one picture is missing: the search was stopped.
  std::string notes = "{\"detector\":\"hog\",\"size\":48}\n";
  for (int i = 0; i < 7; ++i) notes += fmt::format("{{\"face\":\"faces/{}.png\",\"found\":false}}\n", image(i));
  write_text(root() / "bare/faces/all.found.jsonl", notes);
  refuses(extract("bare"), 3, faces);
  fs::remove_all(root() / "bare/faces");
  ASSERT_EQ(run({"emotion_data", "faces", "bare", "--split", "test"}).code, 0);
  for (const char* branches : nets) {
    write_net(branches);
    EXPECT_EQ(warning(extract("bare")), "") << branches;
  }
}

// What a network reads wrongly is told by whatever runs it on a data set.
TEST_F(StimuliCommandTest, RegionsAndFacesThatWereFoundOtherwiseAreTold) {
  std::string lines;
  for (int i = 0; i < 8; ++i)
    lines += fmt::format("{{\"image\": \"{0}\", \"labels\": [\"{1}\"], \"regions\": \"r.safetensors\", \"face\": \"{0}\"}}\n",
                         image(i), kMoods[static_cast<std::size_t>(i)]);
  write_dataset("seen", kMoods, lines);
  write_region_file(root() / "seen/r.safetensors",
                    {.features = at::ones({2, 4}), .boxes = at::zeros({2, 4}), .scores = at::ones({2}), .source = "second"});
  const std::string before = R"({"detector":"hog","size":48})", now = R"({"detector":"hog","size":32})";
  write_text(root() / "seen/faces/test.found.jsonl", now + "\n");
  const Words predict{"emotion_predict", "--checkpoint", "stimuli.safetensors", "seen", "--json", "seen.json"};
  write_net("semantic, expression", "", "first", before);
  for (const auto& words : {extract("seen"), eval("seen"), predict}) {
    EXPECT_EQ(warning(words),
              "warning: seen/all.jsonl: other weights or settings found the regions (second) than those of the training data "
              "(first)\nwarning: seen/all.jsonl: the faces were found with other options (" +
                  now + ") than those of the training data (" + before + ")\n")
        << words[0];
  }
  write_net("semantic, expression", "", "second", now);
  for (const auto& words : {extract("seen"), eval("seen"), predict}) EXPECT_EQ(warning(words), "") << words[0];
}

TEST_F(StimuliCommandTest, ABrokenPictureIsNamedWithWhatToDo) {
  write_text(root() / "cracked/dataset.yaml",
             fmt::format("classes: [{}]\nsplits: {{test: all.jsonl}}\n", fmt::join(kMoods, ", ")));
  write_text(root() / "cracked/all.jsonl", "{\"image\": \"1.jpg\", \"labels\": [\"awe\"]}\n");
  write_text(root() / "cracked/1.jpg", "<html>");
  write_net("global");
  for (const auto& words : {extract("cracked"), eval("cracked")}) {
    refuses(words, 3,
            "cracked/all.jsonl:1: cracked/1.jpg: not a picture; JPEG, PNG, WebP, BMP, TIFF and GIF are read; emotion_data verify "
            "cracked lists all such pictures, with --out DIR it writes a data set without them");
  }
}

}  // namespace
}  // namespace emotion
