#include "loss_window.h"

#include <algorithm>
#include <cmath>

#include <ATen/ops/stack.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace emotion {
namespace {

constexpr const char* kExtra = "loss_extra";

}  // namespace

void LossWindow::add(std::int64_t step, const TaskOutput& output, std::int64_t samples, std::int64_t extra) {
  std::vector<at::Tensor> values{output.loss.detach()};
  std::vector<std::string> names{"loss"};
  for (const auto& [name, value] : output.parts) {
    names.push_back(name);
    values.push_back(value.detach());
  }
  std::vector<double> weights(names.size(), output.weight.value_or(static_cast<double>(samples)));
  if (output.extra_loss.defined()) {
    extra_weight_ = output.extra_weight;
    names.emplace_back(kExtra);
    values.push_back(output.extra_loss.detach());
    weights.push_back(static_cast<double>(extra));
  }
  pending_.push_back({step, std::move(names), std::move(weights), at::stack(values).to(at::kDouble)});
  if (eager_) flush();
}

void LossWindow::add_to(Sums& sums, const std::string& name, double sum, double weight) {
  auto found = std::find_if(sums.begin(), sums.end(), [&](const Sum& one) { return one.name == name; });
  if (found == sums.end()) found = sums.insert(sums.end(), {name, 0, 0});
  found->sum += sum;
  found->weight += weight;
}

void LossWindow::flush() {
  for (const auto& pending : pending_) {
    const at::Tensor values = pending.values.cpu();
    const double* value = values.const_data_ptr<double>();
    const auto& names = pending.names;
    // The parts come first in the message: the sum is only bad because of them.
    for (std::size_t i = names.size(); i-- > 0;) {
      if (!std::isfinite(value[i])) {
        throw NotFiniteError(
            fmt::format("step {}: {}{} is {}", pending.step, owner_, names[i], std::isnan(value[i]) ? "NaN" : "infinite"));
      }
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      for (Sums* sums : {&sums_, &epoch_}) add_to(*sums, names[i], value[i] * pending.weights[i], pending.weights[i]);
    }
  }
  pending_.clear();
}

std::vector<std::pair<std::string, double>> LossWindow::take_means(Sums& sums, ProcessGroup& group) {
  flush();
  if (group.size() > 1) {
    const auto all = group.gather_to_root(to_text(sums));
    sums.clear();
    for (const std::string& one : all) add_text(sums, one);
  }
  std::vector<std::pair<std::string, double>> means;
  for (const Sum& one : sums) {
    if (one.weight > 0) means.emplace_back(one.name, one.sum / one.weight);
  }
  sums.clear();
  const auto extra = std::find_if(means.begin(), means.end(), [](const auto& mean) { return mean.first == kExtra; });
  if (extra != means.end()) means[0].second += extra_weight_ * extra->second;
  return means;
}

std::vector<std::pair<std::string, double>> LossWindow::take(ProcessGroup& group) { return take_means(sums_, group); }

std::optional<double> LossWindow::take_epoch(ProcessGroup& group) {
  const auto means = take_means(epoch_, group);
  return means.empty() ? std::nullopt : std::optional(means[0].second);
}

std::string LossWindow::save() {
  flush();
  return to_text(sums_);
}

void LossWindow::restore(const std::string& text) { add_text(sums_, text); }

std::string LossWindow::to_text(const Sums& sums) {
  auto json = nlohmann::json::array();
  for (const Sum& one : sums) json.push_back({one.name, one.sum, one.weight});
  return json.dump();
}

void LossWindow::add_text(Sums& sums, const std::string& text) {
  for (const auto& one : nlohmann::json::parse(text))
    add_to(sums, one.at(0).get<std::string>(), one.at(1).get<double>(), one.at(2).get<double>());
}

}  // namespace emotion
