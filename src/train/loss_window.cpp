#include "loss_window.h"

#include <algorithm>
#include <cmath>

#include <ATen/ops/stack.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/error.h"

namespace emotion {

void LossWindow::add(std::int64_t step, const TaskOutput& output, std::int64_t samples) {
  std::vector<at::Tensor> values{output.loss.detach()};
  std::vector<std::string> names{"loss"};
  for (const auto& [name, value] : output.parts) {
    names.push_back(name);
    values.push_back(value.detach());
  }
  names_ = std::move(names);
  pending_.push_back({step, output.weight.value_or(static_cast<double>(samples)), at::stack(values).to(at::kDouble)});
  if (eager_) flush();
}

void LossWindow::flush() {
  for (const auto& pending : pending_) {
    const at::Tensor values = pending.values.cpu();
    const double* value = values.const_data_ptr<double>();
    // The parts come first in the message: the sum is only bad because of them.
    for (std::size_t i = names_.size(); i-- > 0;) {
      if (!std::isfinite(value[i])) {
        throw RunError(fmt::format(
            "step {}: {} is {}; the checkpoints stay as they were; a lower optimizer.lr or optimizer.clip_norm may help",
            pending.step, names_[i], std::isnan(value[i]) ? "NaN" : "infinite"));
      }
    }
    sums_.resize(names_.size());
    for (std::size_t i = 0; i < names_.size(); ++i) sums_[i] += value[i] * pending.weight;
    weight_ += pending.weight;
  }
  pending_.clear();
}

std::vector<std::pair<std::string, double>> LossWindow::take(ProcessGroup& group) {
  flush();
  if (group.size() > 1) {
    const auto all = group.gather_to_root(save());
    sums_.clear();
    weight_ = 0;
    for (const std::string& one : all) restore(one);
  }
  std::vector<std::pair<std::string, double>> means;
  for (std::size_t i = 0; i < sums_.size() && weight_ > 0; ++i) means.emplace_back(names_[i], sums_[i] / weight_);
  sums_.clear();
  weight_ = 0;
  return means;
}

std::string LossWindow::save() {
  flush();
  return nlohmann::json{{"names", names_}, {"sums", sums_}, {"samples", weight_}}.dump();
}

void LossWindow::restore(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  const auto sums = json.at("sums").get<std::vector<double>>();
  if (names_.empty() || sums.size() > sums_.size()) names_ = json.at("names").get<std::vector<std::string>>();
  sums_.resize(std::max(sums_.size(), sums.size()));
  for (std::size_t i = 0; i < sums.size(); ++i) sums_[i] += sums[i];
  weight_ += json.at("samples").get<double>();
}

}  // namespace emotion
