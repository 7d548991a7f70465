#include <cmath>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <opencv2/dnn.hpp>
#include <opencv2/imgcodecs.hpp>

#include <ATen/ops/equal.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/utils.h>

#include "../support/commands.h"
#include "../support/scratch.h"
#include "emotion/commands/convert.h"
#include "emotion/error.h"
#include "emotion/io/weights.h"
#include "emotion/model/image_classifier.h"
#include "emotion/model/load_state.h"

// Runs the command itself on files of this test's own and of Python's (tests/io/fixtures).
namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

class ConvertTest : public ::testing::Test {
 protected:
  Process::Result run(const Words& words) const { return command(root_, joined({"emotion_convert"}, words)); }
  std::string error(int code, const Words& words) const {
    return error_of_command(root_, code, joined({"emotion_convert"}, words));
  }
  void good(const Words& words) const {
    const Process::Result result = run(words);
    EXPECT_EQ(result.code, 0) << result.errors;
  }
  void same(const StateDict& a, const StateDict& b) const {
    ASSERT_EQ(a.entries.size(), b.entries.size());
    for (std::size_t i = 0; i < a.entries.size(); ++i) {
      EXPECT_EQ(a.entries[i].name, b.entries[i].name);
      EXPECT_EQ(a.entries[i].tensor.scalar_type(), b.entries[i].tensor.scalar_type());
      EXPECT_TRUE(at::equal(a.entries[i].tensor, b.entries[i].tensor)) << a.entries[i].name;
    }
  }
  fs::path file(const std::string& name) const { return root_ / name; }

  ScratchFolder folder_;
  fs::path root_ = folder_.path();
};

/// torchvision's names of a ResNet-18, some with the prefix of DataParallel.
StateDict resnet18(const std::string& prefix = "") {
  torch::manual_seed(3);
  StateDict state;
  for (auto& [name, tensor] : module_state(*make_backbone("resnet18")).entries) state.add(prefix + name, tensor.detach().clone());
  return state;
}

TEST_F(ConvertTest, PthToSafetensorsAndBack) {
  for (const char* name : {"zip.pth", "legacy.pth", "nested.pth", "parallel.pth", "measured.pth"}) {
    const fs::path source = fs::path(EMOTION_TEST_DATA) / "../io/fixtures" / name;
    const auto convert = [&](const fs::path& from, const std::string& to) {
      if (name == std::string("zip.pth")) return good({from, to});  // by the command itself; the others differ within the reader
      emotion_convert({.input = root_ / from, .output = root_ / to});
    };
    convert(source, "a.safetensors");
    convert("a.safetensors", "b.pth");
    convert("b.pth", "c.safetensors");
    convert("c.safetensors", "d.pt");
    same(read_weights(source), read_safetensors(file("a.safetensors")));
    same(read_weights(source), read_pth(file("b.pth")));
    EXPECT_EQ(read_file(file("a.safetensors")), read_file(file("c.safetensors"))) << name;
    EXPECT_EQ(read_file(file("b.pth")), read_file(file("d.pt"))) << name;
  }
  const Process::Result list = run({"b.pth", "--list"});
  EXPECT_THAT(list.output, HasSubstr("fc.weight\tFloat\t[2, 3]\n"));
}

TEST_F(ConvertTest, NamesOfTheReleaseAndOfTorchvision) {
  StateDict released = resnet18("module.");
  released.add("module.fc.weight", at::ones({4, 512}));
  released.add("module.fc.bias", at::ones({4}));
  released.add("module.proj.weight", at::ones({300, 512}));
  released.add("module.proj.bias", at::ones({300}));
  write_pth(file("release.pth.tar"), released);
  write_text(file("classes.txt"), "awe\nfear\njoy\nsadness\n");
  write_text(file("c.yaml"),
             "task: emotionnet\nmodel: {backbone: resnet18}\ndata: {train: {dataset: d, split: train}}\n"
             "loss: {soft_label: false, embedding_weight: 0}\n");
  EXPECT_THAT(run({"release.pth.tar", "x.safetensors"}).errors,
              HasSubstr("has the released EmotionNet's names; --map emotionnet makes them this project's"));
  good({"release.pth.tar", "ours.safetensors", "--map", "emotionnet", "--config", "c.yaml", "--classes", "classes.txt"});
  const StateDict ours = read_safetensors(file("ours.safetensors"));
  EXPECT_NE(ours.find("backbone.layer1.0.conv1.weight"), nullptr);
  EXPECT_NE(ours.find("classifier.bias"), nullptr);
  EXPECT_NE(ours.find("projection.weight"), nullptr);
  EXPECT_EQ(ours.metadata.at("task"), "emotionnet");
  EXPECT_EQ(ours.metadata.at("classes"), R"(["awe","fear","joy","sadness"])");
  good({"ours.safetensors", "theirs.pth", "--map", "torchvision"});
  StateDict plain;  // what the release holds, less the prefix
  for (const auto& [name, tensor] : released.entries) plain.add(name.substr(7), tensor);
  same(read_pth(file("theirs.pth")), plain);
}

/// The release's third branch has classes of its own, which no metadata names: its width is its tensor's.
TEST_F(ConvertTest, AReleasedNetworkOfThreeBranchesIsACheckpoint) {
  StateDict released = resnet18();
  released.add("fc.weight", at::ones({4, 512}));
  released.add("fc.bias", at::ones({4}));
  released.add("proj.weight", at::ones({300, 512}));
  released.add("proj.bias", at::ones({300}));
  released.add("fc_aux.weight", at::ones({8, 512}));
  released.add("fc_aux.bias", at::ones({8}));
  write_pth(file("release.pth"), released);
  write_text(file("classes.txt"), "awe\nfear\njoy\nsadness\n");
  write_text(file("c.yaml"),
             "task: emotionnet\nmodel: {backbone: resnet18, head: three_branch}\ndata: {train: {dataset: d, split: train}, "
             "extra: {dataset: e, split: train}, resize: 32, size: 32}\nloss: {soft_label: false, embedding_weight: 0}\n");
  good({"release.pth", "three.safetensors", "--map", "emotionnet", "--config", "c.yaml", "--classes", "classes.txt"});
  fs::create_directories(file("pictures"));
  cv::imwrite(file("pictures/1.png").string(), cv::Mat(40, 40, CV_8UC3, cv::Scalar(30, 120, 200)));
  const Process::Result extracted = command(
      root_, {"emotion_extract", "--checkpoint", "three.safetensors", "--data", "pictures", "--out", "features.safetensors"});
  EXPECT_EQ(extracted.code, 0) << extracted.errors;
  const StateDict features = read_safetensors(file("features.safetensors"));
  EXPECT_EQ(features.find("features")->sizes(), at::IntArrayRef({1, 512}));
  write_text(file("set/dataset.yaml"),
             "name: s\nclasses: [awe, fear, joy, sadness]\nimage_root: ../pictures\nsplits: {test: test.jsonl}\n");
  write_text(file("set/test.jsonl"), "{\"image\": \"1.png\", \"labels\": [\"awe\"]}\n");
  const Process::Result measured = command(
      root_, {"emotion_eval", "--checkpoint", "three.safetensors", "--data", "set", "--split", "test", "--output", "results"});
  EXPECT_EQ(measured.code, 0) << measured.errors;
}

TEST_F(ConvertTest, AFileThatOnlyLooksLikeADetectorIsRefused) {
  StateDict state;
  state.add("rpn.head.bbox_pred.weight", at::ones({12, 4, 1, 1}));
  write_safetensors(file("plain.safetensors"), state);
  EXPECT_THAT(
      error(3, {"plain.safetensors", "d.onnx"}),
      ::testing::StartsWith("plain.safetensors: roi_heads.box_predictor.cls_score.weight is missing: this is no detector"));
  EXPECT_FALSE(fs::exists(file("d.onnx")));
}

TEST_F(ConvertTest, AMapOfRulesAndTwoThatMeet) {
  StateDict state;
  state.add("net.0.weight", at::ones({2}));
  state.add("net.1.weight", at::ones({3}));
  state.add("extra", at::ones({1}));
  write_safetensors(file("a.safetensors"), state);
  write_text(file("map.tsv"), "# facenet's\nnet\\.(\\d)\\.weight\tlayer$1.weight\nextra\t-\n");
  EXPECT_EQ(run({"a.safetensors", "--list", "--map", "map.tsv"}).output,
            "layer0.weight\tFloat\t[2]\nlayer1.weight\tFloat\t[3]\n");
  write_text(file("map.tsv"), "net\\.\\d\\.weight\tweight\n");
  EXPECT_EQ(error(3, {"a.safetensors", "b.pth", "--map", "map.tsv"}),
            "a.safetensors: net.0.weight and net.1.weight would both become weight; mend the map\n");
  EXPECT_EQ(error(2, {"a.safetensors", "b.pth", "--map", "facenet"}),
            "--map is 'facenet', which is neither a file nor emotionnet nor torchvision\n");
  EXPECT_FALSE(fs::exists(file("b.pth")));
}

TEST_F(ConvertTest, AllThatDoesNotFitIsListed) {
  StateDict state = resnet18();
  for (auto& entry : state.entries) {
    if (entry.name == "bn1.weight") entry.name = "bn1.weights";
    if (entry.name == "layer4.1.bn2.bias") entry.tensor = at::ones({7});
  }
  write_pth(file("a.pth"), state);
  const Process::Result unlike = run({"a.pth", "b.safetensors", "--like", "resnet18"});
  EXPECT_EQ(unlike.code, 3);
  EXPECT_THAT(
      unlike.errors,
      ::testing::AllOf(HasSubstr("a.pth: missing: bn1.weight [64]; nearest: bn1.weights [64]\n"),
                       HasSubstr("a.pth: another shape: layer4.1.bn2.bias [7]"),
                       HasSubstr("a.pth: not part of resnet18, left out: bn1.weights [64]"),
                       EndsWith("a.pth: does not fit resnet18: 1 tensors missing, 1 of another shape, 1 left over; they are "
                                "listed above\n")));
  EXPECT_FALSE(fs::exists(file("b.safetensors")));
  state = resnet18();
  state.add("fc.weight", at::ones({1000, 512}));
  write_pth(file("a.pth"), state);
  good({"a.pth", "b.safetensors", "--like", "resnet18"});
  same(read_safetensors(file("b.safetensors")), resnet18());
}

/// The command's .onnx in OpenCV's interpreter, against the checkpoint's network in LibTorch.
TEST_F(ConvertTest, OnnxOfACheckpointRunsElsewhere) {
  const at::NoGradGuard no_grad;
  torch::manual_seed(5);
  ImageClassifier network("resnet18", 3);
  network->eval();
  write_pth(file("a.pth"), module_state(*network));
  write_text(file("classes.txt"), "awe\nfear\njoy\n");
  write_text(file("c.yaml"), "task: classifier\nmodel: {backbone: resnet18}\ndata: {train: {dataset: d, split: train}}\n");
  good({"a.pth", "a.safetensors", "--config", "c.yaml", "--classes", "classes.txt"});
  good({"a.safetensors", "a.onnx"});
  const at::Tensor images = at::randn({2, 3, 64, 64});
  cv::dnn::Net net = cv::dnn::readNetFromONNX(file("a.onnx").string());
  net.setInput(cv::Mat(std::vector<int>{2, 3, 64, 64}, CV_32F, images.data_ptr()));
  const cv::Mat result = net.forward("logits");
  const at::Tensor logits = at::from_blob(result.data, {2, 3}, at::kFloat);
  EXPECT_LT((logits - network->forward(images)).abs().max().item<float>(), 1e-4);
  EXPECT_EQ(error(2, {"a.safetensors", "b.onnx", "--map", "torchvision"}),
            "an .onnx file is made of a checkpoint as it is: write a .safetensors file with --map, --like and --config first\n");
}

TEST_F(ConvertTest, HostileFilesGetOneLine) {
  write_text(file("a.pth"),
             "\x80\x02"
             "cposix\nsystem\n.");
  EXPECT_EQ(error(3, {"a.pth", "--list"}),
            "a.pth: refused: it wants to call posix.system; only state_dicts are read (byte 16 of its pickle)\n");
  write_text(file("b.safetensors"), std::string("\0\0\0\0\1\0\0\0{}", 10));
  EXPECT_EQ(error(3, {"b.safetensors", "c.pth"}),
            "b.safetensors: not a safetensors file, or truncated: a header of 4294967296 bytes in a file of 10\n");
  write_text(file("c.bin"), "99999999999 300\na \x01\x02");
  EXPECT_EQ(error(3, {"c.bin", "d.txt"}),
            "c.bin: a header of 99999999999 words of 300 numbers does not fit a file of 20 bytes\n");
  // A name may not forge a second line, nor fill the terminal.
  write_text(file("d.safetensors"),
             std::string("\x40\0\0\0\0\0\0\0", 8) + R"({"a\nDONE":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}    abcd)");
  EXPECT_EQ(error(3, {"d.safetensors", "--list"}), "d.safetensors: tensor a\\nDONE: dtype F99 is not known\n");
  StateDict state;
  state.add(std::string(300'000, 'n'), at::ones({1}));
  write_safetensors(file("e.safetensors"), state);
  EXPECT_THAT(error(3, {"e.safetensors", "--list", "--map", "emotionnet"}),
              EndsWith(": a tensor's name of 300000 letters; at most 1000 can be mapped\n"));
  EXPECT_EQ(error(3, {"gone.pth", "--list"}),
            "gone.pth: no such file or run folder; give a run folder, a checkpoint's folder or a weights file\n");
}

TEST_F(ConvertTest, ClassesThatCannotBeTheNetworksAreRefused) {
  StateDict state;
  state.add("classifier.weight", at::ones({3, 4}));
  state.add("classifier.bias", at::ones({3}));
  write_safetensors(file("a.safetensors"), state);
  write_text(file("c.yaml"), "task: classifier\nmodel: {backbone: resnet18}\ndata: {train: {dataset: d, split: train}}\n");
  const auto refused = [&](const std::string& classes) {
    write_text(file("classes.txt"), classes);
    const std::string text = error(3, {"a.safetensors", "b.safetensors", "--config", "c.yaml", "--classes", "classes.txt"});
    EXPECT_FALSE(fs::exists(file("b.safetensors")));
    return text;
  };
  EXPECT_EQ(refused("awe\n\nfear\r\nawe\n"), "classes.txt:4: class 'awe' is named twice\n");
  EXPECT_EQ(refused("awe\ncaf\xe9\n"), "classes.txt:2: 'caf\\xe9' is not UTF-8\n");
  EXPECT_EQ(refused("awe\nfear\n"), "classes.txt: 2 classes, classifier.weight of a.safetensors is for 3\n");
  EXPECT_EQ(refused("awe\nfear\njoy\nsad\n"), "classes.txt: 4 classes, classifier.weight of a.safetensors is for 3\n");
  write_text(file("classes.txt"), "awe\nfear\njoy\n");
  good({"a.safetensors", "b.safetensors", "--config", "c.yaml", "--classes", "classes.txt"});
}

/// Opcodes as Python's pickletools.dis names them: SHORT_BINUNICODE.
std::string pickled(const std::string& text) { return "\x8c" + std::string(1, static_cast<char>(text.size())) + text; }

/// {word: float32 array}: STACK_GLOBAL, MARK, SHORT_BINBYTES, TUPLE1, REDUCE, BININT1, TUPLE.
std::string word_dictionary(const std::vector<std::pair<std::string, std::vector<float>>>& entries) {
  std::string pickle = "\x80\x04}(";
  for (const auto& [word, values] : entries) {
    const std::string bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    pickle += pickled(word) + pickled("numpy.core.numeric") + pickled("_frombuffer") + "\x93(";
    pickle += "C" + std::string(1, static_cast<char>(bytes.size())) + bytes;
    pickle += pickled("numpy") + pickled("dtype") + "\x93" + pickled("f4") + "\x85R";
    pickle += "K" + std::string(1, static_cast<char>(values.size())) + "\x85" + pickled("C") + "tR";
  }
  return pickle + "u.";
}

// What the reader of word vectors refuses is not written.
TEST_F(ConvertTest, AWordDictionaryOfWordsAndNumbers) {
  write_text(file("w.pkl"), word_dictionary({{"sun", {1, 0}}, {"hot air", {0, 2}}}));
  good({"w.pkl", "w.txt"});
  EXPECT_EQ(read_file(file("w.txt")), "2 2\nsun 1 0\nhot_air 0 2\n");
  for (const char* out : {"v.txt", "v.bin"}) {
    write_text(file("w.pkl"), word_dictionary({{"sun", {1, 0}}, {"storm", {0, NAN}}}));
    EXPECT_EQ(error(3, {"w.pkl", out}),
              "w.pkl: entry 1 ('storm'): number 2 is no finite float; take the entry out of the dictionary\n");
    write_text(file("w.pkl"), word_dictionary({{"sun", {1, 0}}, {"  ", {0, 1}}}));
    EXPECT_EQ(error(3, {"w.pkl", out}), "w.pkl: entry 1 ('  ') is not a word and a vector of 2 floats\n");
    EXPECT_FALSE(fs::exists(file(out)));
  }
}

TEST_F(ConvertTest, ADetectorMayHaveOneClass) {
  StateDict state;
  state.add("x", at::ones({1}));
  write_safetensors(file("a.safetensors"), state);
  write_text(file("classes.txt"), "smoke\n");
  write_text(file("d.yaml"), "task: detector\ndata: {train: {dataset: d, split: train}}\n");
  write_text(file("c.yaml"), "task: classifier\ndata: {train: {dataset: d, split: train}}\n");
  good({"a.safetensors", "b.safetensors", "--config", "d.yaml", "--classes", "classes.txt"});
  EXPECT_EQ(read_safetensors_metadata(file("b.safetensors")).at("classes"), "[\"smoke\"]");
  EXPECT_EQ(error(3, {"a.safetensors", "c.safetensors", "--config", "c.yaml", "--classes", "classes.txt"}),
            "classes.txt: at least two classes, one a line, are wanted\n");
  write_text(file("classes.txt"), "\n");
  EXPECT_EQ(error(3, {"a.safetensors", "c.safetensors", "--config", "d.yaml", "--classes", "classes.txt"}),
            "classes.txt: at least one class, one a line, is wanted\n");
}

TEST_F(ConvertTest, FlagsThatNothingWouldReadAreRefused) {
  write_text(file("w.txt"), "1 2\njoy 1 0\n");
  write_pth(file("a.pth"), resnet18());
  const auto refused = [&](ConvertOptions options, const std::string& output) {
    if (!output.empty()) options.output = file(output);
    const std::string text = error_of<ConfigError>([&] { emotion_convert(options); });
    const std::size_t at = text.find(root_.string() + "/");
    return at == std::string::npos ? text : text.substr(0, at) + text.substr(at + root_.string().size() + 1);
  };
  const std::string words = file("w.txt"), weights = file("a.pth");
  const auto wordless = [](const std::string& flag) {
    return flag + ": w.bin is for word vectors, which have no tensors; leave it out";
  };
  EXPECT_EQ(error(2, {"w.txt", "w.bin", "--map", "emotionnet"}), wordless("--map") + "\n");
  EXPECT_EQ(refused({.input = words, .like = "resnet50"}, "w.bin"), wordless("--like"));
  EXPECT_EQ(refused({.input = words, .config = "nosuch.yaml"}, "w.bin"), wordless("--config"));
  EXPECT_EQ(refused({.input = words, .classes = "nosuch"}, "w.bin"), wordless("--classes"));
  EXPECT_EQ(refused({.input = words, .settings = {"no.key=3"}}, "w.bin"), wordless("--set"));
  const std::string alone = "--set belongs to --config, or to an output of .onnx",
                    placeless = "--config and --classes belong to an output of .safetensors, which has a place for them";
  EXPECT_EQ(refused({.input = weights, .list = true}, "b.pth"),
            "both b.pth and --list are given: --list writes nothing; leave one out");
  EXPECT_EQ(error(2, {"a.pth"}), "emotion_convert wants an output file, or --list\n");
  EXPECT_EQ(refused({.input = weights, .settings = {"nosuch.key=3"}}, "b.pth"), alone);
  EXPECT_EQ(refused({.input = weights, .settings = {"seed=3"}}, "b.safetensors"), alone);
  EXPECT_EQ(refused({.input = weights, .settings = {"seed=3"}, .list = true}, ""), alone);
  EXPECT_EQ(refused({.input = weights, .config = "c.yaml", .classes = "c.txt"}, "b.pth"), placeless);
  EXPECT_EQ(refused({.input = weights, .config = "c.yaml", .classes = "c.txt", .list = true}, ""), placeless);
  EXPECT_FALSE(fs::exists(file("w.bin")) || fs::exists(file("b.pth")) || fs::exists(file("b.safetensors")));
}

}  // namespace
}  // namespace emotion
