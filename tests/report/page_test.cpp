#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/version.h>
#include <opencv2/core/version.hpp>
#include <opencv2/imgcodecs.hpp>

#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/io/tensorboard.h"
#include "emotion/report/compare_runs.h"
#include "emotion/report/evaluation_page.h"
#include "emotion/report/html.h"
#include "emotion/report/picture.h"
#include "emotion/report/plot.h"
#include "emotion/report/run_report.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

/// What is wrong with a page's tags: the first that does not close, "" if all do.
std::string tag_problem(const std::string& html) {
  static const std::set<std::string> kVoid{"meta", "br", "img", "hr", "input", "link"};
  std::vector<std::string> open;
  for (std::size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    if (html.compare(at, 9, "<!doctype") == 0) continue;
    std::size_t end = at + 1;
    for (char quote = 0; end < html.size() && (quote || html[end] != '>'); ++end) {
      if (quote ? html[end] == quote : html[end] == '"' || html[end] == '\'') quote = quote ? 0 : html[end];
      if (!quote && html[end] == '<') return "a '<' within a tag: " + html.substr(at, 60);
    }
    const std::string tag = html.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(tag[0] == '/', tag.find_first_of(" \n/", 1) - (tag[0] == '/'));
    if (name == "style" && tag[0] != '/') at = html.find("</style", at) - 1;
    if (tag[0] == '/') {
      if (open.empty() || open.back() != name) return "</" + name + "> closes " + (open.empty() ? "nothing" : open.back());
      open.pop_back();
    } else if (tag.back() != '/' && !kVoid.contains(name)) {
      open.push_back(name);
    }
  }
  return open.empty() ? "" : "<" + open.back() + "> is never closed";
}

std::vector<std::string> between(const std::string& text, const std::string& before, const std::string& after) {
  std::vector<std::string> found;
  for (std::size_t at = text.find(before); at != std::string::npos; at = text.find(before, at + 1)) {
    const std::size_t begin = at + before.size();
    found.push_back(text.substr(begin, text.find(after, begin) - begin));
  }
  return found;
}

/// Self-contained, well-formed, usable without a mouse or eyes.
void check_page(const std::string& html) {
  EXPECT_EQ(tag_problem(html), "");
  for (const char* outside : {"http:", "https:", "src=\"/", "url(", "@import", "<script", "<link", "<iframe"})
    EXPECT_THAT(html, Not(HasSubstr(outside)));
  for (const auto& source : between(html, " src=\"", "\"")) EXPECT_EQ(source.substr(0, 11), "data:image/");
  std::set<std::string> ids;
  for (const auto& id : between(html, " id=\"", "\"")) EXPECT_TRUE(ids.insert(id).second) << id << " stands twice";
  for (const auto& target : between(html, "href=\"#", "\"")) EXPECT_TRUE(ids.contains(target)) << target;
  for (const auto& picture : between(html, "<img ", ">")) EXPECT_THAT(picture, HasSubstr("alt=\""));
  for (const auto& svg : between(html, "role=\"img\"", "</svg>")) {
    EXPECT_THAT(svg, HasSubstr("<title>"));
    EXPECT_THAT(svg, HasSubstr("<desc>"));
  }
  for (const auto& wide : between(html, "<div class=\"wide\"", ">")) EXPECT_THAT(wide, HasSubstr("tabindex=\"0\""));
}

class PageTest : public ::testing::Test {
 protected:
  fs::path run(const std::string& name, double lr, double top1) const {
    const fs::path folder = folder_.path() / name;
    write_text(folder / "config.yaml", "task: classifier\ndata:\n  train: {dataset: d, split: train}\noptimizer:\n  lr: " +
                                           std::to_string(lr) + "\ntrain:\n  batch: 50\n");
    write_text(folder / "metrics.jsonl",
               "{\"split\": \"train\", \"step\": 10, \"epoch\": 0, \"loss\": 2.0, \"lr\": 0.1, \"samples_per_second\": 100, "
               "\"data_wait\": 0.5}\n"
               "{\"split\": \"train\", \"step\": 20, \"epoch\": 0, \"loss\": 1.5, \"lr\": 0.1, \"samples_per_second\": 50, "
               "\"data_wait\": 0.1}\n"
               "{\"split\": \"val\", \"step\": 20, \"epoch\": 1, \"loss\": 1.25, \"top1\": " +
                   std::to_string(top1) + ", \"mAP\": null}\n");
    return folder;
  }
  void add_rest(const fs::path& folder) const {
    write_text(folder / "validation.json",
               R"({"samples": 5, "classes": ["awe", "<fear>"], "per_class": {"awe": {"ap": 0.75, "precision": 0.5, "recall": 1.0,
               "f1": 0.6667, "positives": 3}, "<fear>": {"ap": null, "precision": null, "recall": null, "f1": null, "positives": 0}},
               "confusion": [[17, 4], [3, 0]], "examples": [{"image": "a.png", "labels": ["awe"], "prediction": "awe",
               "probability": 0.91, "right": true}, {"image": "gone.png", "labels": ["awe"], "prediction": "<fear>",
               "probability": 0.83, "right": false, "error": "hard"}]})");
    write_text(folder / "features.json",
               R"({"explained": [0.5, 0.25], "principal": [[0, 1], [2, 3], [1, 1]], "neighbours": [[0, 0], [5, 5], [1, 0]],
               "classes": ["awe", "<fear>", "awe"], "images": ["a.png", "b.png", "c.png"], "nearest": [{"query": 0, "rows": [2, 1]}]})");
    write_text(folder / "data.json",
               R"({"train": {"dataset": "d", "split": "train", "samples": 4, "labels": 6, "keywords": 10, "words": 7, "faces": 1,
               "regions": 0, "boxes": 2, "classes": {"awe": 3, "<fear>": 1}}})");
    write_text(folder / "times.json", R"({"seconds": 100, "evaluation": 20.5, "checkpoints": 4.5, "peak_memory": 1234567890})");
    write_text(folder / "log.txt", "a line & another\n");
    cv::imwrite((folder_.path() / "a.png").string(), cv::Mat(40, 60, CV_8UC3, cv::Scalar(10, 200, 90)));
  }
  ScratchFolder folder_;
};

TEST_F(PageTest, TheCheckerItselfFindsFaults) {
  EXPECT_EQ(tag_problem("<p><b>x</p>"), "</p> closes b");
  EXPECT_EQ(tag_problem("<p>x"), "<p> is never closed");
  EXPECT_EQ(tag_problem("<a title=\"1 > 0\"><br><rect/></a>"), "");
}

TEST_F(PageTest, ARunsPageIsWholeAndHoldsItsNumbers) {
  const fs::path folder = run("runs/one", 0.1, 0.625);
  add_rest(folder);
  write_run_report(folder, folder_.path());
  const std::string html = read_file(folder / "report.html");
  check_page(html);
  for (const char* text : {"<strong>0.6250</strong><span>top1</span>", "train loss: 1.5 at the end", "<td>1.25</td>",  // curves
                           "&lt;fear&gt;", ">17</td>", "<td>0.7500</td>",                                              // classes
                           "<b>awe</b> 0.91", "<b>&lt;fear&gt;</b> 0.83, hard error<br>", "gone.png cannot be read",
                           "src=\"data:image/jpeg;base64,",                        // examples
                           "75 % of the variance", "awe: c.png", "another class",  // features
                           "<td>1.50</td><td>2.50</td>",                           // 6 / 4, 10 / 4
                           "a line &amp; another"})
    EXPECT_THAT(html, HasSubstr(text));
  const auto section = [&](const std::string& title) {
    const auto found = between(html, ">" + title + "</h2>", "<h2");
    return found.empty() ? "" : found[0];
  };
  EXPECT_THAT(section("Configuration"), HasSubstr("<pre>" + read_file(folder / "config.yaml") + "</pre>"));
  const std::string versions = section("Versions");
  EXPECT_THAT(versions, ContainsRegex("emotion</th><td>[0-9]+\\.[0-9]+\\.[0-9]+</td>"));
  for (const std::string row : {"LibTorch</th><td>" TORCH_VERSION "</td>", "OpenCV</th><td>" CV_VERSION "</td>",
                                "compiler</th><td>" __VERSION__ "</td>", "processor</th><td>"})
    EXPECT_THAT(versions, HasSubstr("<th scope=\"row\">" + row));
  // 10 steps of 50 samples at 100 a second and 10 at 50: 5 + 10 s; 2.5 + 1 s of waiting; 100 - 15 - 20.5 - 4.5 = 60 s elsewhere.
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\">training steps</th><td>15.0 s</td>"));
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\">of that, waiting for data</th><td>3.5 s</td>"));
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\">evaluations</th><td>20.5 s</td>"));
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\">checkpoints</th><td>4.5 s</td>"));
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\">the rest: start, this page</th><td>1 min 00 s</td>"));
  EXPECT_THAT(html, HasSubstr("peak memory</th><td>1.23 GB</td>"));
}

// The rate counts samples of all processes, in short epochs but a few of them: no steps' length follows from it.
TEST_F(PageTest, TrainingTookTheSecondsOfItsLines) {
  const fs::path folder = run("run", 0.1, 0.5);
  write_text(folder / "metrics.jsonl",
             "{\"split\": \"train\", \"step\": 10, \"samples_per_second\": 100, \"data_wait\": 0.5, \"seconds\": 3}\n"
             "{\"split\": \"train\", \"step\": 20, \"samples_per_second\": 50, \"data_wait\": 0.1, \"seconds\": 4}\n");
  write_run_report(folder, {});
  const std::string html = read_file(folder / "report.html");
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\">training steps</th><td>7.0 s</td>"));
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\">of that, waiting for data</th><td>1.9 s</td>"));
}

TEST_F(PageTest, ARunThatHasJustBegunHasAPageToo) {
  const fs::path folder = folder_.path() / "new";
  write_text(folder / "config.yaml", "task: classifier\n");
  write_run_report(folder, {});
  const std::string html = read_file(folder / "report.html");
  check_page(html);
  EXPECT_THAT(html, HasSubstr("Nothing has been measured yet."));
}

TEST_F(PageTest, BrokenFilesOfARunAreNamed) {
  const fs::path folder = run("one", 0.1, 0.5);
  write_text(folder / "features.json", R"({"explained": [1, 0], "principal": [[0, 1]], "neighbours": [[0, 0]]})");
  EXPECT_THAT(error_of<DataError>([&] { write_run_report(folder, {}); }),
              HasSubstr(folder.string() + ": a file of the run cannot be read: "));
  write_text(folder / "features.json", "{");
  EXPECT_THAT(error_of<DataError>([&] { write_run_report(folder, {}); }), HasSubstr("features.json: cannot be read: "));
  write_text(folder / "metrics.jsonl", "[]\n");
  EXPECT_EQ(error_of<DataError>([&] { write_run_report(folder, {}); }),
            (folder / "metrics.jsonl").string() + ": a line is no metrics line");
}

TEST_F(PageTest, RunsSideBySide) {
  const fs::path one = run("one", 0.1, 0.625), two = run("two", 0.02, 0.75);
  const std::string text = compare_runs({one, two}, folder_.path() / "compare.html");
  const std::string a = one.string(), b = two.string();
  EXPECT_THAT(text, HasSubstr("| last evaluation | " + a + " | " + b + " |\n|---|---|---|\n"));
  EXPECT_THAT(text, HasSubstr("| top1 | 0.6250 | 0.7500 |\n"));
  EXPECT_THAT(text, HasSubstr("| configuration | " + a + " | " + b + " |\n|---|---|---|\n| optimizer.lr | 0.1 | 0.02 |\n\n"));
  const std::string html = read_file(folder_.path() / "compare.html");
  check_page(html);
  EXPECT_THAT(html, HasSubstr(a + ": 0.625 at the end; " + b + ": 0.75 at the end"));
  EXPECT_THAT(compare_runs({one, one}, folder_.path() / "same.html"), HasSubstr("The configurations are the same.\n"));
}

TEST_F(PageTest, AnotherFrameworksRunIsComparedByItsEvents) {
  const fs::path ours = run("one", 0.1, 0.625), peer = folder_.path() / "peer", empty = folder_.path() / "empty";
  fs::create_directory(peer);
  fs::create_directory(empty);
  {
    EventWriter events(peer);
    events.add_scalar("Loss/train", 7, 1.5);
    events.add_scalar("Accuracy/val", 7, 0.5);
    events.add_scalar("val/loss", 7, 2);
    events.add_scalar("val/loss", 14, 1.125);  // more often than the accuracy
  }
  const std::string text = compare_runs({ours, peer}, folder_.path() / "compare.html");
  EXPECT_THAT(text, HasSubstr("| top1 | 0.6250 | 0.5000 |\n"));
  EXPECT_THAT(text, HasSubstr("| loss | 1.2500 | 1.1250 |\n"));
  EXPECT_THAT(text, HasSubstr("No two of these runs have a configuration to compare.\n"));
  EXPECT_THAT(read_file(folder_.path() / "compare.html"), HasSubstr(peer.string() + ": 1.5 at the end"));
  EXPECT_EQ(error_of<ConfigError>([&] {
              compare_runs({ours, empty}, folder_.path() / "compare.html");
            }),
            empty.string() + ": not a run folder: there is no config.yaml, and no scalar in a TensorBoard event file");
}

TEST_F(PageTest, AnEvaluationsPageHoldsItsNumbers) {
  EvaluationSummary r{.title = "net on <data>", .classes = {"awe", "<fear>"}};
  r.predictions = {.classes = 2, .scores = {3, 0, 2, 0, 0, 1}, .labels = {{0}, {1}, {1}}, .polarity = {1, -1}};
  r.metrics = classification_metrics(r.predictions);
  r.calibration = calibration(r.predictions);
  r.intervals = MetricIntervals{.top1 = {0.25, 1}, .hard_errors = {0.125, 0.5}, .expected_error = {0.0625, 0.25}};
  r.compared_with = "a & b";
  r.comparison = mcnemar(1, 2, 3, 4);
  r.examples = {
      {.image = "a.png", .labels = {"awe"}, .prediction = "awe", .probability = 0.95, .right = true, .error = {}},
      {.image = "gone.png", .labels = {"<fear>"}, .prediction = "awe", .probability = 0.88, .right = false, .error = "hard"}};
  cv::imwrite((folder_.path() / "a.png").string(), cv::Mat(40, 60, CV_8UC3, cv::Scalar(10, 200, 90)));
  write_evaluation_page(folder_.path() / "eval.html", r, folder_.path());
  const std::string html = read_file(folder_.path() / "eval.html");
  check_page(html);
  for (const char* text : {"<h1>net on &lt;data&gt;</h1>", "<th scope=\"row\">top1</th><td>0.6667</td><td>0.2500 to 1.0000</td>",
                           "<th scope=\"row\">hard errors (wrong polarity)</th><td>0.3333</td><td>0.1250 to 0.5000</td>",
                           "<td>0.0625 to 0.2500</td>",
                           "Against a &amp; b: both right 1, this alone 2, the other alone 3, neither 4", "confidence = accuracy",
                           "title=\"&lt;fear&gt; predicted as awe\">1</td>", "<b>awe</b> 0.88, hard error<br>truth: &lt;fear&gt;",
                           "gone.png cannot be read", "href=\"#part-5\">Most confident predictions</a>"})
    EXPECT_THAT(html, HasSubstr(text));
  r.examples[1].cosine = -0.25;
  write_evaluation_page(folder_.path() / "eval.html", r, folder_.path());
  EXPECT_THAT(read_file(folder_.path() / "eval.html"), HasSubstr("<b>awe</b> cosine -0.25, hard error<br>"));
}

// A line of pixels is a picture too: 1 x 5000, its shorter side made 112, was one that no JPEG file can hold.
TEST_F(PageTest, AThumbnailOfALineOfPixelsIsSmall) {
  for (const auto& [width, height] : {std::pair(5000, 1), std::pair(1, 5000), std::pair(60, 40)}) {
    const fs::path file = folder_.path() / "line.png";
    cv::imwrite(file.string(), cv::Mat(height, width, CV_8UC3, cv::Scalar(10, 200, 90)));
    const std::string html = thumbnail_html(file, 112, "a line");
    EXPECT_THAT(html, HasSubstr("<img alt=\"a line\" src=\"data:image/jpeg;base64,")) << width << " x " << height;
    EXPECT_LT(html.size(), 5000U);
  }
}

TEST_F(PageTest, APictureThatAFileCannotHoldIsNamed) {
  const Image line{70000, 1, std::vector<std::uint8_t>(70000 * 3)};
  EXPECT_THAT([&] { write_picture(folder_.path() / "line.jpg", line); },
              ::testing::ThrowsMessage<RunError>((folder_.path() / "line.jpg").string() +
                                                 ": 70000 x 1 pixels cannot be written as .jpg"));
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST(Plot, LongTextsAndOddNumbersStayWithinTheirBounds) {
  EXPECT_EQ(svg_plot("t", "x", {}), "");
  EXPECT_EQ(svg_plot("t", "x", {{"nan", {{0, NAN}}}}), "");
  const std::string one = svg_plot("t", "x", {{"c", {{3, 0}}}});
  EXPECT_THAT(one, HasSubstr("<circle"));
  EXPECT_THAT(one, Not(HasSubstr("nan")));
  // The range of 3 alone is 2.5 to 3.5, its middle at 56 + 452 / 2 pixels; the last point has no place.
  EXPECT_THAT(svg_plot("t", "x", {{"c", {{3, 0}, {9, NAN}}}}), HasSubstr("<circle r=\"3\" cx=\"282.0\""));
  // Numbers that half a step does not move, apart by less than a double shows, or further apart than it can say.
  for (const auto& values :
       {std::vector{1e17}, {-1e17}, {1e300, 1e299}, {1e17, 1e17 + 16}, {-1e299, 1e299}, {1e308, -1e308, 2.0}}) {
    Curve curve{"c", {}};
    for (const double value : values) curve.points.emplace_back(1e16 + 2 * static_cast<double>(curve.points.size()), value);
    const std::string svg = svg_plot("t", "x", {curve});
    EXPECT_LT(svg.size(), 10'000U) << values[0];
    EXPECT_THAT(svg, Not(HasSubstr("nan"))) << values[0];
    EXPECT_GE(svg.size(), 500U) << values[0];
  }
  // 20 bytes end within an umlaut: it is left out whole.
  EXPECT_THAT(svg_bars("b", {{std::string(19, 'a') + "äääää", 0.5}, {"none", NAN}}, 1),
              HasSubstr(">" + std::string(19, 'a') + "..<"));
  std::vector<Curve> many(1);
  for (int i = 0; i < 1000; ++i) many[0].points.emplace_back(i, i);
  EXPECT_LE(between(svg_plot("t", "x", many), "<tr>", "<").size(), 43U);  // the table is thinned, its last row stays
  EXPECT_THAT(svg_plot("t", "x", many), HasSubstr("<th scope=\"row\">999</th>"));
}

}  // namespace
}  // namespace emotion
