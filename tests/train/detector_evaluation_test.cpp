#include <array>
#include <atomic>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>

#include <ATen/ATen.h>

#include "../support/detector_weights.h"
#include "distributed_support.h"
#include "emotion/data/annotations.h"
#include "emotion/data/synth.h"
#include "emotion/error.h"
#include "emotion/report/picture.h"
#include "emotion/train/detector_evaluation.h"
#include "emotion/train/detector_pictures.h"
#include "emotion/train/distributed.h"

// A detector's evaluation shared by processes: their part in it, its figures, and what happens when one of them fails.
namespace emotion {
namespace {

using ::testing::ContainsRegex;
using Figures = std::optional<DetectorMetrics>;

/// Knows a picture by its colour. What it finds depends on the pictures beside it too, as a network's last bits do: whoever makes
/// other batches gets other figures.
class ColourDetector final : public RegionDetector {
 public:
  explicit ColourDetector(std::function<void(int picture)> look) : look_(std::move(look)) {}
  const DetectorTransform& transform() const override { return transform_; }
  std::vector<Detections> detect(const DetectorInput& input, bool) override {
    const double beside = input.images.sum().item<double>();
    std::vector<Detections> all;
    for (std::int64_t i = 0; i < input.images.size(0); ++i) {
      const int picture = static_cast<int>(std::lround(input.images[i][0][0][0].item<double>() * 255));
      look_(picture);
      std::vector<float> corners, scores;
      for (int k = 0; k < picture % 3; ++k) {  // the first is where the object is, or nearly
        const auto at = static_cast<float>(k == 0 ? 4 + picture % 5 : 14);
        corners.insert(corners.end(), {at, 4, at + 16, 20});
        scores.push_back(static_cast<float>(0.5 + 0.4 * std::sin(picture * 13 + k + beside)));
      }
      all.push_back({.boxes = at::tensor(corners, at::kFloat).view({-1, 4}),
                     .scores = at::tensor(scores, at::kFloat),
                     .labels = at::full({static_cast<std::int64_t>(scores.size())}, picture % 2, at::kLong)});
    }
    return all;
  }

 private:
  std::function<void(int)> look_;
  DetectorTransform transform_{.min_size = 32, .max_size = 32, .mean = {0, 0, 0}, .std = {1, 1, 1}};
};

class DetectorEvaluationTest : public DistributedTest {
 protected:
  /// A split of pictures, each of one colour: its number.
  Manifest pictures(int count) {
    std::string lines;
    for (int i = 0; i < count; ++i) {
      const std::string name = fmt::format("img/{}.png", i);
      write_text(folder_.path() / "colours" / name,
                 encode_png({32, 32, std::vector<std::uint8_t>(32 * 32 * 3, static_cast<std::uint8_t>(i))}));
      lines += fmt::format("{{\"image\": \"{}\", \"labels\": [\"a\"]}}\n", name);
    }
    write_text(folder_.path() / "colours/all.jsonl", lines);
    write_text(folder_.path() / "colours/dataset.yaml", "name: colours\nclasses: [a]\nsplits: {all: all.jsonl}\n");
    annotations_ = {.classes = {"even", "odd"}};
    for (int i = 0; i < count; ++i) {
      annotations_.boxes.push_back({{.box = {4, 4, 20, 20}, .label = static_cast<std::uint32_t>(i % 2), .area = 256}});
      annotations_.sizes.push_back({32, 32});
    }
    return Manifest::open(Dataset::open(folder_.path() / "colours"), "all");
  }
  Figures evaluate(const Manifest& manifest, std::size_t batch, ProcessGroup& group, std::function<void(int)> look) const {
    ColourDetector network(std::move(look));
    return evaluate_detector(network, manifest, annotations_, Device::open("cpu"), batch, group);
  }

  /// Does `work` in a thread for each rank of a group; what each of them throws, "" for nothing.
  static std::vector<std::string> together(int size, double timeout, const std::function<void(ProcessGroup&)>& work) {
    const int port = free_port();
    std::vector<std::string> errors(static_cast<std::size_t>(size));
    std::vector<ProcessGroup> groups(errors.size());  // rank 0's holds the rendezvous: it lives until all have left
    std::vector<std::thread> threads;
    for (int rank = 0; rank < size; ++rank) {
      threads.emplace_back([&, rank] {
        ProcessGroup& group = groups[static_cast<std::size_t>(rank)];
        try {
          group = ProcessGroup::join({.rank = rank, .world_size = size, .address = "127.0.0.1", .port = port}, {}, timeout);
          work(group);
          group.leave();
        } catch (const Error& error) {
          errors[static_cast<std::size_t>(rank)] = error.what();
          group.leave(error);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    return errors;
  }

  /// A small detector on drawn scenes, 60 to train on; the validation on 480 takes far longer than a test waits.
  std::string scenes() const {
    write_synth({.kind = "scenes", .out = folder_.path() / "scenes", .count = 600, .size = 32, .workers = 2});
    return config(
        "detector.yaml",
        fmt::format("task: detector\nseed: 3\ndevice: cpu\ndata: {{train: {{dataset: {0}, split: val}}, val: {{dataset: "
                    "{0}, split: train}}}}\nmodel: {{backbone: resnet18, detector: {{min_size: 320, max_size: 320, "
                    "channels: 16, head: 16, norm: batch, proposal_samples: 16, box_samples: 8, train_proposals: 50, "
                    "proposals: 50}}}}\ntrain: {{batch: 2, max_steps: 1, log_every: 1, distributed_timeout: 5}}\n",
                    (folder_.path() / "scenes").string()));
  }
  /// Starts two ranks and waits until they evaluate.
  pid_t start_evaluation() const {
    const pid_t launcher = start("run", scenes(), {"--nproc", "2", "--log-level", "warning"});
    while (metrics("run", "train").empty()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    return launcher;
  }

  Annotations annotations_;
};

// Seven pictures for two, three and nine processes, in batches that these share evenly, unevenly or not at all.
TEST_F(DetectorEvaluationTest, FiguresAreThoseOfOneProcessToTheBit) {
  constexpr int kPictures = 7;
  const Manifest manifest = pictures(kPictures);
  const std::vector<std::size_t> batches{1, 2, 3, 8};
  std::vector<Figures> expected;
  for (const std::size_t batch : batches) {
    ProcessGroup alone;
    expected.push_back(evaluate(manifest, batch, alone, [](int) {}));
    ASSERT_TRUE(expected.back());
    const DetectorMetrics& metrics = *expected.back();
    ASSERT_EQ(metrics.values.at(0).first, "AP");
    const double ap = metrics.values[0].second;
    ASSERT_GT(ap, 0.05);
    ASSERT_LT(ap, 0.95);
    ASSERT_EQ(metrics.class_ap.size(), 2U);
    EXPECT_EQ(metrics.class_ap[0].first, "even");
    EXPECT_EQ(metrics.class_ap[1].first, "odd");
    EXPECT_NEAR((metrics.class_ap[0].second + metrics.class_ap[1].second) / 2, ap, 1e-9);
  }
  EXPECT_NE(expected[0], expected[1]);
  for (const int size : {2, 3, 9}) {
    std::vector<std::array<std::atomic<int>, kPictures>> looked(batches.size());
    const auto errors = together(size, 60, [&](ProcessGroup& group) {
      for (std::size_t b = 0; b < batches.size(); ++b) {
        const Figures figures =
            evaluate(manifest, batches[b], group, [&](int picture) { ++looked[b].at(static_cast<std::size_t>(picture)); });
        EXPECT_EQ(figures, group.is_root() ? expected[b] : Figures(std::in_place)) << size << " " << batches[b];
      }
    });
    EXPECT_EQ(errors, std::vector<std::string>(static_cast<std::size_t>(size)));
    for (const auto& pictures : looked) {
      for (const auto& times : pictures) EXPECT_EQ(times, 1);
    }
  }
}

// Wide and tall pictures by turns; the truth is what is found in each alone.
TEST_F(DetectorEvaluationTest, FiguresAreThoseOfAnyBatch) {
  FasterRCNN network(FasterRCNNOptions{.backbone = "resnet18",
                                       .classes = 2,
                                       .channels = 8,
                                       .head = 16,
                                       .anchor_size = 8,
                                       .transform = {.min_size = 64, .max_size = 96},
                                       .proposals = 20,
                                       .detections = 5});
  fill_detector(*network);
  network->eval();
  annotations_ = {.classes = {"even", "odd"}};
  std::string lines;
  for (int i = 0; i < 5; ++i) {
    Image image{i % 2 == 0 ? 96 : 40, i % 2 == 0 ? 40 : 96, {}};
    const at::Tensor bytes = (detector_picture(image.height, image.width, i) * 255).to(at::kByte).permute({1, 2, 0}).contiguous();
    image.pixels.assign(bytes.const_data_ptr<std::uint8_t>(), bytes.const_data_ptr<std::uint8_t>() + bytes.numel());
    write_text(folder_.path() / fmt::format("shapes/{}.png", i), encode_png(image));
    lines += fmt::format("{{\"image\": \"{}.png\", \"labels\": [\"a\"]}}\n", i);
    const Detections found = network->detect(detector_input({bytes}, network->transform()), false)[0];
    ASSERT_GT(found.boxes.size(0), 0);
    const auto corner = [&](std::int64_t k) { return found.boxes[0][k].item<float>(); };
    annotations_.boxes.push_back({{.box = {corner(0), corner(1), corner(2), corner(3)},
                                   .label = static_cast<std::uint32_t>(found.labels[0].item<std::int64_t>()),
                                   .area = 256}});
    annotations_.sizes.push_back({image.width, image.height});
  }
  write_text(folder_.path() / "shapes/all.jsonl", lines);
  write_text(folder_.path() / "shapes/dataset.yaml", "name: shapes\nclasses: [a]\nsplits: {all: all.jsonl}\n");
  const Manifest manifest = Manifest::open(Dataset::open(folder_.path() / "shapes"), "all");
  const auto figures = [&](std::size_t batch) {
    ProcessGroup alone;
    return evaluate_detector(*network, manifest, annotations_, Device::open("cpu"), batch, alone)->values;
  };
  const auto one = figures(1), three = figures(3);
  EXPECT_GT(one.at(0).second, 0.5);  // AP
  ASSERT_EQ(one.size(), three.size());
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_NEAR(one[i].second, three[i].second, 1e-6) << one[i].first;
}

// Rank 1 stays at its first batch; rank 0, whose part takes four times the timeout and the five seconds that come to it, says so
// before its end.
TEST_F(DetectorEvaluationTest, ARankThatStaysAtABatchIsNamedMeanwhile) {
  constexpr int kOwn = 300;
  const Manifest manifest = pictures(2 * kOwn);
  std::atomic<int> done{0};
  std::atomic<bool> noticed{false};
  const auto errors = together(2, /*timeout=*/2, [&](ProcessGroup& group) {
    if (!group.is_root()) {
      evaluate(manifest, 1, group, [&](int) {
        while (!noticed) std::this_thread::sleep_for(std::chrono::milliseconds(10));
      });
      return;
    }
    const std::shared_ptr<void> at_the_end(nullptr, [&](void*) { noticed = true; });
    evaluate(manifest, 1, group, [&](int) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      ++done;
    });
  });
  EXPECT_THAT(errors[0], ContainsRegex("^rank 1 \\(.*\\) lives but hangs: no step of its work for [0-9]+ s$"));
  EXPECT_LT(done, kOwn);
}

TEST_F(DetectorEvaluationTest, AnErrorOnOneRankReachesTheOthers) {
  const Manifest manifest = pictures(8);
  write_text(folder_.path() / "colours/img/5.png", "no picture");
  const auto errors = together(2, /*timeout=*/10, [&](ProcessGroup& group) { evaluate(manifest, 2, group, [](int) {}); });
  EXPECT_THAT(errors[0], ContainsRegex("^.*all\\.jsonl:6: .*img/5\\.png: "));
  EXPECT_THAT(errors[1], ContainsRegex("^rank 0 \\(.*\\) stopped: .*all\\.jsonl:6: "));
}

// Boxes of a picture that was resized since would be judged in the wrong places.
TEST_F(DetectorEvaluationTest, APictureOfAnotherSizeThanItsAnnotationsSayIsRefused) {
  const Manifest manifest = pictures(3);
  annotations_.sizes[1] = {64, 48};
  ProcessGroup alone;
  EXPECT_EQ(error_of<DataError>([&] { evaluate(manifest, 2, alone, [](int) {}); }),
            manifest.place(1) + ": the picture is 32 x 32 pixels, its annotations say 64 x 48");
}

TEST_F(DetectorEvaluationTest, AReaderAheadGivesTheSamePictures) {
  const Manifest manifest = pictures(6);
  write_text(folder_.path() / "colours/img/5.png", "no picture");
  PictureReader reader(manifest);
  const auto expect_pictures = [&](const std::vector<std::uint64_t>& samples, const std::vector<std::uint64_t>& next) {
    const auto read = reader.read(samples, next);
    ASSERT_EQ(read.size(), samples.size());
    for (std::size_t i = 0; i < read.size(); ++i)
      EXPECT_TRUE(read[i].eq(static_cast<std::int64_t>(samples[i])).all().item<bool>());
  };
  expect_pictures({0, 1}, {2, 3});
  expect_pictures({2, 3}, {4, 5});  // what is broken ahead is no error yet
  expect_pictures({1, 4}, {});      // and none at all if others come
  expect_pictures({3}, {5});
  EXPECT_THAT(error_of<DataError>([&] { reader.read({5}, {}); }), ContainsRegex("all\\.jsonl:6: "));
}

TEST_F(DetectorEvaluationTest, ARankThatIsHaltedIsNamed) {
  expect_halted_rank_named(start_evaluation(), "run", "[5-9]");
  EXPECT_TRUE(metrics("run", "val").empty());
}

TEST_F(DetectorEvaluationTest, ASignalToOneRankSaves) { expect_signal_in_evaluation_saves(start_evaluation(), "run"); }

}  // namespace
}  // namespace emotion
