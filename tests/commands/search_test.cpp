#include <algorithm>

#include <gmock/gmock.h>

#include "emotion/eval/picture_view.h"
#include "measure.h"

// emotion_search as it is called.
namespace emotion {
namespace {

using ::testing::HasSubstr;

class SearchCommandTest : public MeasureTest {
 protected:
  static std::string index(const std::string& checkpoint, const std::string& out, const Words& more = {},
                           const std::string& data = "moods") {
    return output(joined({"emotion_search", "index", "--checkpoint", checkpoint, "--data", data, "--out", out}, more));
  }
  /// The results of image queries, as --json writes them.
  static nlohmann::json query(const std::string& index, const Words& pictures, const Words& more = {}) {
    Words words{"emotion_search", "image", "--index", index, "--json", "found.json"};
    if (std::find(more.begin(), more.end(), "--k") == more.end()) words.insert(words.end(), {"--k", "5"});
    words.insert(words.end(), more.begin(), more.end());
    words.insert(words.end(), pictures.begin(), pictures.end());
    printed_ = output(words);
    return nlohmann::json::parse(read_file(root() / "found.json"));
  }
  static std::string picture(int i) { return "moods/" + image(i); }

  inline static std::string printed_;  // by the last query
};

TEST_F(SearchCommandTest, SearchByWords) {
  write_joint("joint.safetensors");
  write_text(root() / "four.txt", "2 4\njoy 1 0 0 0\nfear 0 1 0 0\n");
  write_text(root() / "three.txt", "1 3\njoy 1 0 0\n");
  for (const char* space : {"joint", "features"})
    EXPECT_EQ(
        run({"emotion_search", "index", "--checkpoint", "joint.safetensors", "--data", "moods", "--space", space, "--out", space})
            .code,
        0);
  const auto text = [](const std::string& index, const std::string& vectors, const Words& words) {
    return joined({"emotion_search", "text", "--index", index, "--word2vec", vectors}, words);
  };
  refuses(text("joint", "three.txt", {"joy"}), 3,
          "three.txt: its vectors have 3 numbers, those of joint have 4; --word2vec wants the file that the network was "
          "trained with");
  refuses(text("joint", "four.txt", {"glee", "mirth"}), 3, "four.txt: there is no vector for glee, mirth");
  refuses(text("features", "four.txt", {"joy"}), 3,
          "features: it holds features of pictures; words want an index made with --space joint");
  refuses({"emotion_search", "image", "--index", "joint", "--checkpoint", "net.safetensors", "moods/" + image(0)}, 3,
          "joint: made with other weights than net.safetensors; make it again with emotion_search index");
  refuses({"emotion_search", "index", "--checkpoint", "joint.safetensors", "--data", "moods", "--out", "gone/x"}, 1,
          "gone/x: cannot be written: No such file or directory");
  const auto some = run(text("joint", "four.txt", {"glee", "joy"})), joy = run(text("joint", "four.txt", {"joy"}));
  EXPECT_EQ(some.code, 0);
  EXPECT_EQ(some.errors, "warning: four.txt: there is no vector for glee: the other words are searched for\n");
  EXPECT_EQ(some.output, joy.output);
}

TEST_F(SearchCommandTest, PicturesFindThemselvesThenTheNearestByCosine) {
  write_joint("joint.safetensors");
  const Device device = Device::open("cpu");
  const VisualModel model = VisualModel::open(root() / "joint.safetensors", {}, device);
  const Manifest manifest = Manifest::open(Dataset::open(root() / "moods"), "train");
  const at::NoGradGuard no_grad;
  const at::Tensor features = extract_features(model, device, manifest);
  for (const char* space : {"features", "joint"}) {
    const bool joint = space == std::string("joint");
    const std::string said = index("joint.safetensors", "exact", {"--kind", "exact", "--space", space});
    EXPECT_EQ(said, fmt::format("exact: 48 pictures, {} numbers each; recall@10 1.0000\n", joint ? 4 : 512));
    const at::Tensor x = (joint ? model.projection(features) : features).to(at::kDouble), unit = x / x.norm(2, 1, true);
    const std::string own(manifest[3].image);
    const auto found = query("exact", {"moods/" + own});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0]["query"], "moods/" + own);
    const auto [scores, rows] = at::topk(unit.matmul(unit[3]), 5);
    ASSERT_EQ(found[0]["results"].size(), 5U);
    EXPECT_EQ(found[0]["results"][0]["image"], own);
    EXPECT_EQ(found[0]["results"][0]["file"], (fs::absolute(root()) / "moods" / own).string());
    for (std::int64_t j = 0; j < 5; ++j)
      EXPECT_NEAR(found[0]["results"][static_cast<std::size_t>(j)]["score"], scores[j].item<double>(), 1e-5);
    EXPECT_EQ(found[0]["results"][1]["image"],
              std::string(manifest[static_cast<std::size_t>(rows[1].item<std::int64_t>())].image));
    EXPECT_THAT(printed_, HasSubstr(fmt::format("moods/{}\n  1.0000 {}\n", own, own)));
  }
}

TEST_F(SearchCommandTest, ReportShowsQueryAndPictures) {
  index("net.safetensors", "hnsw");
  query("hnsw", {picture(0), picture(1)}, {"--report", "found.html"});
  const std::string html = read_file(root() / "found.html");
  for (const auto& text : {"<h2>" + picture(0) + "</h2>", "<h2>" + picture(1) + "</h2>",
                           std::string("<figcaption>query</figcaption>"), std::string("48 pictures, features of ")})
    EXPECT_THAT(html, HasSubstr(text));
  std::size_t pictures = 0;
  for (std::size_t at = 0; (at = html.find("src=\"data:image/", at)) != std::string::npos; ++at) ++pictures;
  EXPECT_EQ(pictures, 12U) << "two queries, five pictures each";
}

TEST_F(SearchCommandTest, AnIndexThatCannotBeWrittenIsNoSuccess) {
  const auto result = shell(root(),
                            "ulimit -f 1; exec $B/emotion_search index --checkpoint net.safetensors --data moods --split train "
                            "--log-level error --out full");
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.output, "");
  EXPECT_THAT(result.errors, HasSubstr("full: cannot be written: "));
}

// A query is put through what the pictures were put through.
TEST_F(SearchCommandTest, TheIndexKnowsTheSettingsItWasMadeWith) {
  write_safetensors(root() / "plain.safetensors", plain_backbone(read_safetensors(root() / "net.safetensors")));
  const Words settings{"--kind", "exact", "--set", "model.backbone=resnet18", "--set", "data.resize=48", "--set", "data.size=40"};
  index("plain.safetensors", "set", settings);
  const std::string own(Manifest::open(Dataset::open(root() / "moods"), "train")[0].image);
  const auto found = query("set", {"moods/" + own})[0]["results"];
  EXPECT_EQ(found[0]["image"], own);
  EXPECT_NEAR(found[0]["score"], 1, 1e-6);
  EXPECT_LT(query("set", {"moods/" + own}, {"--set", "data.size=24"})[0]["results"][0]["score"], 1 - 1e-5)
      << "--set of the query is over them";
  refuses({"emotion_search", "image", "--index", "set", "--set", "device=gpu", "moods/" + own}, 2,
          "device 'gpu' is not known; auto, cpu, cuda or cuda:N");
}

TEST_F(SearchCommandTest, AnIndexOfFewPicturesGivesAll) {
  fs::create_directories(root() / "few");
  for (int i = 0; i < 3; ++i) fs::copy_file(root() / picture(i), root() / "few" / fmt::format("{}.jpg", i));
  index("net.safetensors", "few.search", {}, "few");
  for (const Words& k : {Words(), {"--k", "4"}}) {
    Words words{"emotion_search", "image", "--index", "few.search", picture(0)};
    words.insert(words.end(), k.begin(), k.end());
    const std::string printed = output(words);
    EXPECT_EQ(std::count(printed.begin(), printed.end(), '\n'), 4) << "the query and three pictures: " << printed;
  }
}

TEST_F(SearchCommandTest, AFolderIsItsPictures) {
  fs::create_directories(root() / "queries");
  for (int i = 0; i < 2; ++i) fs::copy_file(root() / picture(i), root() / "queries" / fmt::format("{}.jpg", i));
  index("net.safetensors", "asked");
  const auto found = query("asked", {"queries", picture(2)});
  ASSERT_EQ(found.size(), 3U);
  for (int i = 0; i < 3; ++i) {
    const auto& answer = found[static_cast<std::size_t>(i)];
    EXPECT_EQ(answer["query"], i < 2 ? fmt::format("queries/{}.jpg", i) : picture(2));
    EXPECT_EQ(answer["results"], query("asked", {picture(i)})[0]["results"]);
  }
  write_text(root() / "queries/1.jpg", "<html>");
  const Words words{"emotion_search", "image", "--index", "asked", "--k", "1", "queries"};
  refuses(words, 3,
          "queries/1.jpg: not a picture; JPEG, PNG, WebP, BMP, TIFF and GIF are read; --set data.on_error=skip leaves it out");
  Words skip = words;
  skip.insert(skip.end(), {"--set", "data.on_error=skip"});
  const auto some = run(skip);
  EXPECT_EQ(some.code, 0);
  EXPECT_THAT(some.output, ::testing::StartsWith("queries/0.jpg\n"));
  EXPECT_THAT(some.errors, HasSubstr("warning: 1 of 2 pictures cannot be read: left out (data.on_error)\n"));
}

TEST_F(SearchCommandTest, NamesThatAreNotUtf8AreRefused) {
  const std::string name = "caf\xe9.jpg",
                    error = "caf\\xe9.jpg: the name is not UTF-8; rename it (convmv does that for whole folders)";
  fs::create_directories(root() / "names");
  fs::copy_file(root() / picture(0), root() / "names" / name);
  refuses({"emotion_search", "index", "--checkpoint", "net.safetensors", "--data", "names", "--out", "out"}, 3, "names/" + error);
  index("net.safetensors", "all");
  refuses({"emotion_search", "image", "--index", "all", "names/" + name}, 3, "names/" + error);
  refuses({"emotion_predict", "--checkpoint", "net.safetensors", "names/" + name, "--json", "out"}, 3, "names/" + error);
  refuses({"emotion_predict", "--checkpoint", "net.safetensors", "names"}, 3, "names/" + error);
  refuses({"emotion_extract", "--checkpoint", "net.safetensors", "--data", "names", "--out", "out"}, 3, "names/" + error);
  fs::rename(root() / "names" / name, root() / "names" / "caf\xc3\xa9.jpg");
  index("net.safetensors", "renamed", {}, "names");
  EXPECT_EQ(query("renamed", {"names/caf\xc3\xa9.jpg"}, {"--k", "1"})[0]["results"][0]["image"], "caf\xc3\xa9.jpg");
}

TEST_F(SearchCommandTest, ANameOfTwoLinesIsFound) {
  fs::create_directories(root() / "odd");
  fs::copy_file(root() / picture(0), root() / "odd/two\nlines.jpg");
  fs::copy_file(root() / picture(1), root() / "odd/plain.jpg");
  index("net.safetensors", "lines", {}, "odd");
  EXPECT_EQ(query("lines", {picture(0)}, {"--k", "1"})[0]["results"][0]["image"], "two\nlines.jpg");
}

}  // namespace
}  // namespace emotion
