#pragma once

#include <cmath>
#include <fstream>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../support/scratch.h"
#include "emotion/io/weights.h"
#include "emotion/log.h"
#include "emotion/model/load_state.h"
#include "emotion/train/trainer.h"

namespace emotion {

inline const std::string kFixtures = std::string(EMOTION_TEST_DATA) + "/fixtures";

/// A run whose losses and weights must be PyTorch's.
class StepTest : public ::testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::kWarning); }

  std::string write_init(const torch::nn::Module& network) {
    write_safetensors(folder_.path() / "init.safetensors", module_state(network));
    return (folder_.path() / "init.safetensors").string();
  }

  /// Trains five steps and compares losses and weights with FILE's golden NAME.
  void follow(const std::string& file, const std::string& name, const std::string& task, const torch::nn::Module& network,
              const std::string& extra) {
    const std::string split = task == "stimuli" ? "stimuli" : task == "classifier" ? "single" : "train";
    const std::string pixels = task == "textcnn" ? "" : ", augment: none, flip: false, resize: 0";
    const std::string yaml = fmt::format(
        "task: {}\noutput: {}\ndata: {{train: {{dataset: {}/tiny, split: {}}}, shuffle: false{}}}\n{}\nschedule: {{name: "
        "constant}}\n",
        task, (folder_.path() / "run").string(), kFixtures, split, pixels, extra);
    write_text(folder_.path() / "run.yaml", yaml);
    const RunConfig config =
        load_run_config(folder_.path() / "run.yaml", {"model.init=" + write_init(network), "train.max_steps=5",
                                                      "train.log_every=1", "train.epochs=9", "train.batch=8", "device=cpu"});
    train(config, false);
    const auto expected = nlohmann::json::parse(read_file(kFixtures + "/" + file)).at(name);
    std::ifstream lines(folder_.path() / "run/metrics.jsonl");
    std::string line;
    for (std::size_t step = 0; step < 5; ++step) {
      ASSERT_TRUE(std::getline(lines, line));
      EXPECT_NEAR(nlohmann::json::parse(line).at("loss").get<double>(), expected["losses"][step].get<double>(), 5e-4)
          << "step " << step + 1;
    }
    const StateDict state = read_safetensors(folder_.path() / "run/checkpoints/last/model.safetensors");
    ASSERT_EQ(state.entries.size(), expected["state"].size());
    for (const auto& [tensor_name, tensor] : state.entries) compare(tensor_name, tensor, expected["state"].at(tensor_name));
  }

  static void compare(const std::string& name, const at::Tensor& tensor, const nlohmann::json& expected) {
    const at::Tensor flat = tensor.to(at::kDouble).flatten();
    const double* values = flat.const_data_ptr<double>();
    // PyTorch on AVX2 and PyTorch on AVX-512 are that far apart after these steps: up to 4e-6 in weights, 2e-4 in batch
    // statistics, which a ReLU that falls to the other side moves most.
    const double tolerance = name.find("running_") != std::string::npos ? 1e-3 : 1e-5;
    const auto& first = expected["first"];
    const auto& last = expected["last"];
    for (std::size_t i = 0; i < first.size(); ++i) {
      const auto near = [&](double value) { return tolerance * std::max(1.0, std::abs(value)); };
      const double a = first[i].get<double>(), z = last[i].get<double>();
      EXPECT_NEAR(values[i], a, near(a)) << name << " " << i;
      EXPECT_NEAR(values[flat.numel() - static_cast<std::int64_t>(last.size() - i)], z, near(z)) << name << " from the end " << i;
    }
    const double n = static_cast<double>(flat.numel());
    EXPECT_NEAR(flat.sum().item<double>() / n, expected["sum"].get<double>() / n, tolerance / 10) << name;
    EXPECT_NEAR(flat.norm().item<double>(), expected["norm"].get<double>(), tolerance * std::sqrt(n)) << name;
  }

  ScratchFolder folder_;
};

}  // namespace emotion
