#include "emotion/train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include <ATen/Context.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <torch/version.h>
#include <nlohmann/json.hpp>

#include "batch_stream.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/model/load_state.h"
#include "emotion/progress.h"
#include "emotion/signals.h"
#include "emotion/train/optimizer.h"
#include "emotion/train/schedule.h"
#include "emotion/train/task.h"
#include "evaluation.h"
#include "loss_window.h"
#include "run_folder.h"
#include "run_log.h"
#include "weight_average.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;
using Values = std::vector<std::pair<std::string, double>>;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// Lower is better for a loss, higher for everything else.
bool is_better(const std::string& metric, double value, double best) { return metric == "loss" ? value < best : value > best; }

/// What a checkpoint remembers beside weights, optimiser and random state.
struct RunState {
  std::int64_t step = 0;  // steps done
  bool evaluated = true;  // the evaluation due after `step` has run
  std::int64_t best_step = -1;
  double best_value = 0;
};

class Trainer {
 public:
  Trainer(const RunConfig& config, bool resume, const TrainHooks& hooks)
      : config_(config),
        hooks_(hooks),
        run_(config.output),
        device_(Device::open(config.device, config.train.amp, config.train.channels_last)),
        checkpoints_(run_),
        window_(device_.is_cpu()) {
    at::manual_seed(config.seed);
    task_ = make_task(config, device_);
    std::vector<NamedParameter> parameters;
    for (const auto& item : task_->network().named_parameters()) parameters.push_back({item.key(), item.value()});
    optimizer_ = make_optimizer(config.optimizer, std::move(parameters));
    if (config.train.ema > 0) average_.emplace(task_->network(), config.train.ema);
    const Manifest& train = task_->manifest(Split::kTrain);
    const auto* chosen = task_->chosen(Split::kTrain);
    stream_ = std::make_unique<BatchStream>(train, chosen, sampler(chosen ? chosen->size() : train.size(), config.data.fraction),
                                            stream_options(), device_);
    if (const Manifest* extra = task_->extra_manifest()) {
      extra_stream_ = std::make_unique<BatchStream>(*extra, nullptr, sampler(extra->size(), 1.0), stream_options(), device_);
    }
    batches_ = stream_->batches_per_epoch();
    steps_per_epoch_ = (batches_ + config.train.accumulate - 1) / config.train.accumulate;
    total_steps_ = steps_per_epoch_ * config.train.epochs;
    if (config.train.max_steps > 0) total_steps_ = std::min(total_steps_, config.train.max_steps);
    schedule_.emplace(config.schedule, config.optimizer.lr, steps_per_epoch_, total_steps_);
    if (resume) restore();
  }

  void run() {
    log_.emplace(run_, state_.step > 0 ? state_.step : -1);
    describe();
    stream_->seek(first_batch(state_.step));
    if (extra_stream_) extra_stream_->seek(first_batch(state_.step));
    task_->network().train();
    saved_at_ = logged_at_ = Clock::now();
    if (!state_.evaluated) finish_epoch();
    while (state_.step < total_steps_) train_epoch();
    finish();
  }

 private:
  Sampler sampler(std::size_t size, double fraction) const {
    return {.size = size,
            .fraction = fraction,
            .shuffle = config_.data.shuffle,
            .window = static_cast<std::uint64_t>(config_.data.shuffle_window),
            .seed = config_.seed};
  }

  BatchStream::Options stream_options() const {
    BatchStream::Options options;
    options.images = task_->has_images();
    options.loader = {.transform = make_transform(config_.data),
                      .picture = task_->picture(),
                      .seed = config_.seed,
                      .batch = static_cast<std::size_t>(config_.train.batch),
                      .workers = config_.data.workers,
                      .on_error = config_.data.on_error == "skip" ? OnError::kSkip : OnError::kStop,
                      .allocate = device_.allocator()};
    return options;
  }

  void describe() const {
    std::int64_t parameters = 0;
    for (const auto& parameter : task_->network().parameters()) parameters += parameter.numel();
    log_info("emotion {}, LibTorch {}", EMOTION_VERSION, TORCH_VERSION);
    log_info("{}: {} training samples, {} classes, {:.1f} M parameters, {} steps of {} samples on {}", config_.task,
             task_->manifest(Split::kTrain).size(), task_->info().classes.size(), static_cast<double>(parameters) / 1e6,
             total_steps_, config_.train.batch * config_.train.accumulate, device_.describe());
    if (state_.step > 0) log_info("resumed after step {}", state_.step);
  }

  std::int64_t epoch_of(std::int64_t step) const { return step / steps_per_epoch_; }
  /// Number of the batch that step `step` (from 0) begins with.
  std::int64_t first_batch(std::int64_t step) const {
    return epoch_of(step) * batches_ + (step % steps_per_epoch_) * config_.train.accumulate;
  }

  void train_epoch() {
    const std::int64_t epoch = epoch_of(state_.step);
    const std::int64_t end = std::min((epoch + 1) * steps_per_epoch_, total_steps_);
    Progress progress(fmt::format("epoch {}/{}", epoch + 1, config_.train.epochs), static_cast<std::uint64_t>(steps_per_epoch_),
                      static_cast<std::uint64_t>(state_.step - epoch * steps_per_epoch_));
    while (state_.step < end) {
      train_step();
      progress.update(static_cast<std::uint64_t>(state_.step - epoch * steps_per_epoch_), detail_);
      if (state_.step % config_.train.log_every == 0 || state_.step == total_steps_) log_window(epoch + 1);
      const bool due = config_.checkpoint.every_minutes > 0 && seconds_since(saved_at_) > 60 * config_.checkpoint.every_minutes;
      if (state_.step < end && (due || stop_requested())) save();
      if (state_.step < end && stop_requested()) interrupted();
    }
    progress.clear();
    state_.evaluated = false;
    finish_epoch();
  }

  /// One update from `accumulate` batches.
  void train_step() {
    const std::int64_t first = (state_.step % steps_per_epoch_) * config_.train.accumulate;
    const std::int64_t count = std::min<std::int64_t>(config_.train.accumulate, batches_ - first);
    std::int64_t planned = 0;
    for (std::int64_t i = 0; i < count; ++i) planned += stream_->planned_size(first + i);
    for (std::int64_t i = 0; i < count; ++i) {
      const Batch batch = stream_->next();
      const std::optional<Batch> extra = extra_stream_ ? std::optional(extra_stream_->next()) : std::nullopt;
      const auto n = static_cast<std::int64_t>(batch.samples.size());
      // Broken images left out: batch statistics need two samples.
      if (n == 0 || (n == 1 && stream_->planned_size(first + i) > 1)) continue;
      TaskOutput output;
      {
        const AutocastScope autocast(device_);
        output = task_->forward(batch, extra && !extra->samples.empty() ? &*extra : nullptr, Split::kTrain);
      }
      window_.add(state_.step + 1, output, n);
      (count == 1 ? output.loss : output.loss * (static_cast<double>(n) / static_cast<double>(planned))).backward();
      samples_since_log_ += n;
    }
    if (config_.optimizer.clip_norm > 0) optimizer_->clip_gradients(config_.optimizer.clip_norm);
    optimizer_->step(schedule_->learning_rate(state_.step));
    optimizer_->zero_grad();
    if (average_) average_->update();
    ++state_.step;
  }

  void log_window(std::int64_t epoch) {
    Values values = window_.take();
    const double seconds = seconds_since(logged_at_), waited = stream_->wait_seconds();
    values.emplace_back("lr", schedule_->learning_rate(state_.step - 1));
    values.emplace_back("samples_per_second", static_cast<double>(samples_since_log_) / std::max(seconds, 1e-9));
    values.emplace_back("data_wait", std::clamp((waited - waited_at_log_) / std::max(seconds, 1e-9), 0.0, 1.0));
    detail_.clear();
    for (const auto& [name, value] : values) {
      if (name == "samples_per_second")
        detail_ += fmt::format("{:.0f} img/s  ", value);
      else if (name == "data_wait")
        detail_ += fmt::format("waiting {:.0f} %", 100 * value);
      else
        detail_ += fmt::format("{} {:.4g}  ", name, value);
    }
    log_->write("train", state_.step, epoch, values);
    logged_at_ = Clock::now();
    waited_at_log_ = waited;
    samples_since_log_ = 0;
  }

  /// Evaluation, then a checkpoint: what is due at the end of an epoch and of the run.
  void finish_epoch() {
    const std::int64_t epoch = epoch_of(state_.step - 1) + 1;
    if (task_->has_validation()) {
      const std::optional<EvaluationResult> result = evaluate();
      if (!result) {
        save();
        interrupted();
      }
      log_->write("val", state_.step, epoch, result->values);
      report(epoch, result->values);
      keep_best(result->values);
      if (hooks_.evaluated && !task_->evaluates_itself()) {
        hooks_.evaluated({state_.step, epoch, result->predictions, result->samples, result->metrics,
                          task_->manifest(Split::kValidation), task_->info().classes});
      }
    }
    state_.evaluated = true;
    save();
    // The rate of the next line counts training alone.
    logged_at_ = Clock::now();
    waited_at_log_ = stream_->wait_seconds();
    samples_since_log_ = 0;
    if (stop_requested() && state_.step < total_steps_) interrupted();
  }

  void report(std::int64_t epoch, const Values& metrics) const {
    std::string text;
    for (const auto& [name, value] : metrics) text += fmt::format("  {} {:.4f}", name, value);
    log_info("epoch {}/{}  step {}{}", epoch, config_.train.epochs, state_.step, text);
  }

  void keep_best(const Values& metrics) {
    const auto& name = config_.checkpoint.best;
    const auto found = std::find_if(metrics.begin(), metrics.end(), [&](const auto& metric) { return metric.first == name; });
    if (found == metrics.end() || !std::isfinite(found->second)) return;
    if (state_.best_step < 0 || is_better(name, found->second, state_.best_value)) {
      state_.best_step = state_.step;
      state_.best_value = found->second;
    }
  }

  std::optional<EvaluationResult> evaluate() {
    const WeightAverage::Swap averaged(average_ ? &*average_ : nullptr);
    return evaluate_task(*task_, stream_options(), device_, state_.step);
  }

  StateDict state_tensors() {
    StateDict state;
    for (auto& entry : optimizer_->state().entries) state.add("optimizer." + entry.name, entry.tensor);
    if (average_) {
      for (auto& entry : module_state(task_->network()).entries) state.add("raw." + entry.name, entry.tensor);
    }
    state.add("random_state", device_.random_state());
    state.metadata = {{"step", std::to_string(state_.step)},
                      {"evaluated", state_.evaluated ? "1" : "0"},
                      {"best_step", std::to_string(state_.best_step)},
                      {"best_value", fmt::format("{}", state_.best_value)},
                      {"loss_window", window_.save()}};
    return state;
  }

  void save() {
    StateDict state = state_tensors();  // reads pending losses: a bad one stops the run before anything is written
    StateDict model;
    {
      const WeightAverage::Swap averaged(average_ ? &*average_ : nullptr);
      for (auto& entry : module_state(task_->network()).entries)
        model.add(entry.name, average_ ? entry.tensor.detach().clone() : entry.tensor.detach());
    }
    model.metadata = task_->info().to_metadata();
    model.metadata["step"] = std::to_string(state_.step);
    checkpoints_.save(state_.step, model, state, state_.best_step, config_.checkpoint.keep);
    saved_at_ = Clock::now();
  }

  void restore() {
    const auto folder = checkpoints_.last();
    if (!folder) {
      log_info("{}: no checkpoint yet; the run starts from the beginning", run_.string());
      return;
    }
    const fs::path file = *folder / "state.safetensors";
    const StateDict state = read_safetensors(file);
    const StateDict model = read_safetensors(*folder / "model.safetensors");
    StateDict raw, optimizer;
    for (const auto& [name, tensor] : state.entries) {
      if (name.starts_with("raw.")) raw.add(name.substr(4), tensor);
      if (name.starts_with("optimizer.")) optimizer.add(name.substr(10), tensor);
    }
    load_module_state(task_->network(), average_ ? raw : model, file.string());
    if (average_) average_->restore(model);
    optimizer_->load_state(optimizer, file.string());
    const at::Tensor* random = state.find("random_state");
    try {
      state_.step = std::stoll(state.metadata.at("step"));
      state_.evaluated = state.metadata.at("evaluated") == "1";
      state_.best_step = std::stoll(state.metadata.at("best_step"));
      state_.best_value = std::stod(state.metadata.at("best_value"));
      window_.restore(state.metadata.at("loss_window"));
    } catch (const std::exception&) {
      throw WeightsError(file.string() + ": its metadata is not that of a checkpoint");
    }
    if (!random) throw WeightsError(file.string() + ": random_state is missing");
    device_.set_random_state(*random);
  }

  [[noreturn]] void interrupted() const {
    throw Interrupted(fmt::format("interrupted after step {}; saved, go on with: emotion_train --config {} --resume", state_.step,
                                  (run_ / "config.yaml").string()));
  }

  void finish() {
    auto skipped = stream_->skipped();
    std::sort(skipped.begin(), skipped.end());
    skipped.erase(std::unique(skipped.begin(), skipped.end()), skipped.end());
    for (const auto& image : skipped) log_warning("skipped {}", image);
    if (!skipped.empty()) log_warning("{} broken images were skipped", skipped.size());
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const std::string best = state_.best_step >= 0 ? fmt::format(", best {} {:.4f} at step {}", config_.checkpoint.best,
                                                                 state_.best_value, state_.best_step)
                                                   : "";
    log_info("done after {} steps in {}{}; peak memory {:.2f} GB; {}", state_.step, format_duration(seconds_since(begin_)), best,
             static_cast<double>(usage.ru_maxrss) / 1048576, run_.string());
  }

  RunConfig config_;
  const TrainHooks& hooks_;
  fs::path run_;
  Device device_;
  CheckpointFolder checkpoints_;
  std::unique_ptr<Task> task_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<WeightAverage> average_;
  std::unique_ptr<BatchStream> stream_, extra_stream_;
  std::optional<Schedule> schedule_;
  std::optional<RunLog> log_;
  LossWindow window_;
  RunState state_;
  std::int64_t batches_ = 0, steps_per_epoch_ = 0, total_steps_ = 0, samples_since_log_ = 0;
  Clock::time_point begin_ = Clock::now(), saved_at_, logged_at_;
  double waited_at_log_ = 0;
  std::string detail_;
};

}  // namespace

void train(const RunConfig& config, bool resume, const TrainHooks& hooks) {
  open_run_folder(config, resume);
  const fs::path run = config.output;
  try {
    Trainer trainer(config, resume, hooks);  // reads data and weights before anything is written
    write_file_atomically(run / "config.yaml", print_run_config(config));
    set_log_file((run / "log.txt").string());
    trainer.run();
    set_log_file("");
  } catch (const Error& error) {
    if (fs::exists(run / "config.yaml")) {
      log_file_only(LogLevel::kError, error.what());
    } else {
      std::error_code ignored;
      fs::remove(run, ignored);  // only if empty: a failed start leaves nothing
    }
    set_log_file("");
    throw;
  }
}

}  // namespace emotion
