#include "emotion/train/trainer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <ATen/Context.h>
#include <ATen/record_function.h>
#include <fmt/format.h>

#include "batch_stream.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/loss/metrics.h"
#include "emotion/model/load_state.h"
#include "emotion/progress.h"
#include "emotion/signals.h"
#include "emotion/train/loss_scale.h"
#include "emotion/train/optimizer.h"
#include "emotion/train/schedule.h"
#include "emotion/train/task.h"
#include "emotion/train/tensor_memory.h"
#include "loss_window.h"
#include "run_folder.h"
#include "run_header.h"
#include "run_log.h"
#include "run_state.h"
#include "shared_run.h"
#include "step_batches.h"
#include "step_trace.h"
#include "throughput.h"
#include "validation.h"
#include "weight_average.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;
using Values = std::vector<std::pair<std::string, double>>;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

constexpr std::uint64_t kRankSeed = 0x9e3779b97f4a7c15;

ChosenSamples chosen_samples(const Task& task) {
  ChosenSamples samples;
  if (const auto* chosen = task.chosen(Split::kTrain)) samples.train = *chosen;
  if (!task.has_validation()) return samples;
  if (const auto* chosen = task.chosen(Split::kValidation)) samples.validation = *chosen;
  return samples;
}

class Trainer {
 public:
  Trainer(const RunConfig& config, bool resume, const TrainHooks& hooks, const ProcessGroup& group)
      : config_(config),
        hooks_(hooks),
        resumed_(resume),
        group_(group),
        run_(config.output),
        device_(open_device(config, group_)),
        checkpoints_(run_),
        loss_scale_(first_loss_scale(config.train)),
        window_(device_.is_cpu()),
        trace_(run_ / "trace.json", group.is_root() ? hooks.profile_steps : 0, !device_.is_cpu()) {
    at::manual_seed(config.seed);
    task_ = make_task(config, device_);
    task_->network().train();
    check_same_data(config, *task_, group_);
    gradients_.emplace(group_, task_->network());
    if (config.train.sync_batch_norm && group_.size() > 1) share_batch_statistics(task_->network(), group_.statistics_exchange());
    // Dropout differs from rank to rank.
    if (group_.rank() > 0) at::manual_seed(config.seed + static_cast<std::uint64_t>(group_.rank()) * kRankSeed);
    std::vector<NamedParameter> parameters;
    for (const auto& item : task_->network().named_parameters()) parameters.push_back({item.key(), item.value()});
    optimizer_ = make_optimizer(config.optimizer, std::move(parameters));
    if (config.train.ema > 0) average_.emplace(task_->network(), config.train.ema);
    const Manifest& train = task_->manifest(Split::kTrain);
    const auto* chosen = task_->chosen(Split::kTrain);
    BatchStream::Options options = stream_options();
    options.loader.cache = make_picture_cache(config.data, train.size());
    stream_ = std::make_unique<BatchStream>(train, chosen, sampler(chosen ? chosen->size() : train.size(), config.data.fraction),
                                            std::move(options), device_);
    if (const Manifest* extra = task_->extra_manifest()) {
      extra_stream_ = std::make_unique<BatchStream>(*extra, nullptr, sampler(extra->size(), 1.0), stream_options(), device_);
    }
    if (stream_->epoch_size() < group_.size())
      throw ConfigError(fmt::format("{}: {} training samples are too few for {} processes", train.file().string(),
                                    stream_->epoch_size(), group_.size()));
    steps_per_epoch_ = (stream_->batches_per_epoch() + config.train.accumulate - 1) / config.train.accumulate;
    total_steps_ = steps_per_epoch_ * config.train.epochs;
    if (config.train.max_steps > 0) total_steps_ = std::min(total_steps_, config.train.max_steps);
    schedule_.emplace(config.schedule, config.optimizer.lr, steps_per_epoch_, total_steps_);
    if (resume) restore();
  }

  void run() {
    group_.on_root([&] {
      if (hooks_.begins) hooks_.begins(chosen_samples(*task_));
      log_.emplace(run_, resumed_ ? state_.step : -1, state_.evaluated);
      log_run_header(config_, *task_, stream_->drawn(), total_steps_, device_, group_);
      warn_of_short_run(config_, steps_per_epoch_, total_steps_);
      if (state_.step > 0) log_info("resumed after step {}", state_.step);
    });
    saved_at_ = Clock::now();
    throughput_.restart(stream_->wait_seconds());
    if (!state_.evaluated) finish_epoch();
    while (!done()) train_epoch();
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
    options.rank = group_.rank();
    options.ranks = group_.size();
    // Batch statistics of a single sample do not exist, and every process needs a part: a smaller last batch is left out.
    const bool statistics = config_.train.batch > 1 && takes_batch_statistics(task_->network());
    const bool own_statistics = group_.size() > 1 && !config_.train.sync_batch_norm;
    options.least = !statistics ? group_.size() : own_statistics ? 2 * group_.size() : std::max(2, group_.size());
    options.loader = {.transform = make_transform(config_.data),
                      .picture = task_->picture(),
                      .seed = config_.seed,
                      .batch = static_cast<std::size_t>(config_.train.batch),
                      .workers = decoding_threads(config_.data.workers, group_),
                      .on_error = config_.data.on_error == "skip" ? OnError::kSkip : OnError::kStop,
                      .allocate = device_.allocator()};
    return options;
  }

  /// Steps before this place in the data: the number of steps done, unless the run was begun with another number of processes.
  std::int64_t schedule_step() const {
    const StreamPosition& place = stream_->position();
    return place.epoch * steps_per_epoch_ + place.offset / (stream_->batch_size() * config_.train.accumulate);
  }
  bool done() const { return is_at_end(state_.step, stream_->position(), config_.train); }
  /// The epoch that has ended or, stopped within it, the one that is open; from 1.
  std::int64_t current_epoch() const { return stream_->position().epoch + (stream_->position().offset > 0 ? 1 : 0); }

  void train_epoch() {
    const std::int64_t epoch = stream_->position().epoch, begin = epoch * steps_per_epoch_;
    Progress progress(fmt::format("epoch {}/{}", epoch + 1, config_.train.epochs), static_cast<std::uint64_t>(steps_per_epoch_),
                      static_cast<std::uint64_t>(schedule_step() - begin));
    for (bool open = true; open;) {
      trace_.step_begins();
      train_step();
      trace_.step_ended();
      progress.update(static_cast<std::uint64_t>(schedule_step() - begin), detail_);
      open = stream_->position().epoch == epoch && !done();
      if (state_.step % config_.train.log_every == 0 || done()) log_window(epoch + 1);
      const bool due = config_.checkpoint.every_minutes > 0 && seconds_since(saved_at_) > 60 * config_.checkpoint.every_minutes;
      const bool stop = group_.any(stop_requested());
      if (open && (group_.any(due && group_.is_root()) || stop)) save();
      if (open && stop) interrupted();
    }
    progress.clear();
    state_.evaluated = false;
    finish_epoch();
  }

  /// Loss and gradients of one of a step's batches, as its part of the means over all of them.
  void accumulate(const StepBatch& batch, const StepBatches& step) {
    const auto& [first, extra] = batch;
    TaskOutput output;
    {
      RECORD_USER_SCOPE("forward");
      const AutocastScope autocast(device_);
      output = task_->forward(first.batch, extra.all > 0 ? &extra.batch : nullptr, Split::kTrain);
    }
    const auto own = static_cast<std::int64_t>(first.batch.samples.size());
    const auto own_extra = static_cast<std::int64_t>(extra.batch.samples.size());
    window_.add(state_.step + 1, output, own, own_extra);
    const auto scaled = [](const at::Tensor& loss, double part) { return part == 1 ? loss : loss * part; };
    const auto part = [&](std::int64_t samples, std::int64_t all, std::int64_t of) {
      return own_part(samples, all, group_) * (static_cast<double>(all) / static_cast<double>(of));
    };
    at::Tensor loss = scaled(
        output.loss, output.weight ? *output.weight * group_.size() / step.weight() : part(own, first.all, step.samples()));
    if (output.extra_loss.defined())
      loss = loss + scaled(output.extra_loss * output.extra_weight, part(own_extra, extra.all, step.extra_samples()));
    RECORD_USER_SCOPE("backward");
    gradients_->backward(loss_scale_.scaled(loss), /*last=*/step.left() == 0);
  }

  /// One update from `accumulate` batches.
  void train_step() {
    const double lr = schedule_->learning_rate(schedule_step());
    const std::int64_t batch_size = stream_->batch_size(), left = stream_->epoch_size() - stream_->position().offset;
    const std::int64_t count = std::min<std::int64_t>(config_.train.accumulate, (left + batch_size - 1) / batch_size);
    gradients_->broadcast_buffers();
    StepBatches batches(*task_, *stream_, extra_stream_.get(), count, config_.data.on_error == "skip", group_);
    while (batches.left() > 0) accumulate(batches.next(), batches);
    throughput_.add(batches.samples());
    RECORD_USER_SCOPE("optimiser");
    if (loss_scale_.unscale(optimizer_->gradients())) {  // else a step with too large a scale: left out
      if (config_.optimizer.clip_norm > 0) optimizer_->clip_gradients(config_.optimizer.clip_norm);
      optimizer_->step(lr);
      if (average_) average_->update();
    }
    optimizer_->zero_grad();
    last_lr_ = lr;
    ++state_.step;
  }

  void log_window(std::int64_t epoch) {
    Values values = window_.take(group_);
    if (!group_.is_root()) return;
    values.emplace_back("lr", last_lr_);
    if (loss_scale_.active()) values.emplace_back("loss_scale", loss_scale_.scale());
    const Throughput::Rates rates = throughput_.take(stream_->wait_seconds());
    values.emplace_back("samples_per_second", rates.samples_per_second);
    values.emplace_back("data_wait", rates.data_wait);
    detail_ = progress_text(values);
    values.emplace_back("seconds", rates.seconds);
    log_->write("train", state_.step, epoch, values);
  }

  /// Evaluation, then a checkpoint: what is due at the end of an epoch and of the run.
  void finish_epoch() {
    throughput_.pause();
    const std::optional<double> train_loss = window_.take_epoch(group_);
    if (task_->has_validation() && !validate_epoch(train_loss)) {
      save();
      interrupted();
    }
    state_.evaluated = true;
    save();
    throughput_.restart(stream_->wait_seconds());
    if (group_.any(stop_requested()) && !done()) interrupted();
  }

  /// False if a stop was asked for. An error costs the evaluation alone: the epoch is saved before it goes on.
  bool validate_epoch(std::optional<double> train_loss) {
    const StateDict state = state_tensors();  // by now, as the others may be gone after an error
    const RunState before = state_;
    try {
      const std::optional<ValidationResult> result = evaluate();
      if (result) group_.on_root([&] { take_evaluation(*result, train_loss); });
      return result.has_value();
    } catch (const NotFiniteError&) {
      throw;
    } catch (const std::exception&) {
      state_ = before;
      if (group_.is_root()) save_unevaluated(state);
      throw;
    }
  }

  void save_unevaluated(const StateDict& state) {
    try {
      ProcessGroup alone;
      write_checkpoint(state, alone);
      log_info("step {} is saved; --resume begins with its evaluation", state_.step);
    } catch (const std::exception& error) {  // the error that comes next is the first
      log_warning("step {} is not saved: {}", state_.step, error.what());
    }
  }

  void take_evaluation(const ValidationResult& result, std::optional<double> train_loss) {
    const std::int64_t epoch = current_epoch();
    log_->write("val", state_.step, epoch, result.values);
    log_info("{}", epoch_text(fmt::format("epoch {}/{}", epoch, config_.train.epochs), state_.step, train_loss, result.values));
    keep_best(result.values);
    if (!hooks_.evaluated || task_->evaluates_itself()) return;
    try {
      hooks_.evaluated({state_.step, epoch, result.predictions, result.samples, result.metrics,
                        task_->manifest(Split::kValidation), task_->info().classes});
    } catch (const Interrupted&) {
      throw;
    } catch (const std::exception& error) {  // no page is worth the epoch: its checkpoint is next
      log_warning("the page of this validation is missing: {}", error.what());
    }
  }

  void keep_best(const Values& metrics) {
    const auto& name = config_.checkpoint.best;
    const auto found = std::find_if(metrics.begin(), metrics.end(), [&](const auto& metric) { return metric.first == name; });
    if (found == metrics.end() && !std::exchange(best_is_missing_, true)) {
      std::vector<std::string> names;
      for (const auto& metric : metrics) names.push_back(metric.first);
      log_warning("checkpoint.best is {}, which this validation does not give (it gives {}): no checkpoint is kept as the best",
                  name, fmt::join(names, ", "));
    }
    if (found != metrics.end()) state_.keep_best(name, found->second);
  }

  std::optional<ValidationResult> evaluate() {
    const auto begin = Clock::now();
    const WeightAverage::Swap averaged(average_ ? &*average_ : nullptr);
    gradients_->broadcast_buffers();
    auto result = validate(*task_, stream_options(), device_, state_.step, group_, skipped_);
    if (hooks_.times) hooks_.times->evaluation += seconds_since(begin);
    return result;
  }

  StateDict state_tensors() {
    StateDict state;
    for (auto& entry : optimizer_->state().entries) state.add("optimizer." + entry.name, entry.tensor);
    if (average_) {
      for (auto& entry : module_state(task_->network()).entries) state.add("raw." + entry.name, entry.tensor);
    }
    state_.place = stream_->position();
    if (extra_stream_) state_.extra_place = extra_stream_->position();
    state_.processes = group_.size();
    state_.loss_scale = loss_scale_.save();
    state_.averaged = average_ && average_->begun();
    const auto randoms = group_.gather_to_root(bytes_of(device_.random_state()));
    state_.windows = group_.gather_to_root(window_.save());
    for (std::size_t r = 0; r < randoms.size(); ++r) state.add(of_rank("random_state", r), tensor_of(randoms[r]));
    state.metadata = state_.to_metadata();
    return state;
  }

  void save() { write_checkpoint(state_tensors(), group_); }

  /// state: of state_tensors(), which has read pending losses: a bad one stops the run before anything is written.
  void write_checkpoint(const StateDict& state, ProcessGroup& group) {
    const auto begin = Clock::now();
    check_finite(module_state(task_->network()), state_.step, group);  // so does a last step that has spoilt the weights
    StateDict model;
    {
      const WeightAverage::Swap averaged(average_ ? &*average_ : nullptr);
      for (auto& entry : module_state(task_->network()).entries)
        model.add(entry.name, average_ ? entry.tensor.detach().clone() : entry.tensor.detach());
    }
    model.metadata = task_->info().to_metadata();
    model.metadata["step"] = std::to_string(state_.step);
    group.on_root([&] { checkpoints_.save(state_.step, model, state, state_.best_step, config_.checkpoint.keep); });
    saved_at_ = Clock::now();
    throughput_.shift(saved_at_ - begin);
    if (hooks_.times) hooks_.times->checkpoints += seconds_since(begin);
  }

  void restore() {
    const auto [file, model_file, state, model] = read_last_checkpoint(checkpoints_, group_);
    if (file.empty()) {
      log_info("{}: no checkpoint yet; the run starts from the beginning", run_.string());
      return;
    }
    group_.on_root([&] { warn_of_new_length(config_, steps_per_epoch_); });
    check_same_names(ModelInfo::from_metadata(model.metadata, model_file), task_->info(), model_file);
    StateDict raw, optimizer;
    for (const auto& [name, tensor] : state.entries) {
      if (name.starts_with("raw.")) raw.add(name.substr(4), tensor);
      if (name.starts_with("optimizer.")) optimizer.add(name.substr(10), tensor);
    }
    load_module_state(task_->network(), model, model_file);
    state_ = RunState::from_metadata(state.metadata, file);
    if (average_) {
      average_->restore(model, state_.averaged.value_or(true));
      load_module_state(task_->network(), raw, file);
    }
    optimizer_->load_state(optimizer, file);
    try {
      restore_place();
    } catch (const std::exception&) {
      throw RunState::not_a_checkpoint(file);
    }
    group_.on_root([&] { warn_of_new_processes(config_, state_.processes, group_.size()); });
    const auto rank = static_cast<std::size_t>(group_.rank());
    const at::Tensor* random = state.find(of_rank("random_state", rank));
    if (!random && rank == 0) throw WeightsError(file + ": random_state is missing");
    if (random) {
      device_.set_random_state(*random);
    } else {  // more processes than before: the new ones have draws of their own
      at::manual_seed(config_.seed + rank * kRankSeed + static_cast<std::uint64_t>(state_.step));
    }
  }

  void restore_place() {
    // With another number of processes the rest of the epoch may be too small: the epoch is over, its evaluation due.
    if (stream_->seek(state_.place)) state_.evaluated = false;
    if (extra_stream_) extra_stream_->seek(state_.extra_place);
    if (loss_scale_.active() && !state_.loss_scale.empty()) loss_scale_.restore(state_.loss_scale);
    // With fewer processes than before, rank 0 takes over what the others had summed.
    for (std::size_t r = 0; r < state_.windows.size(); ++r) {
      const bool mine = r == static_cast<std::size_t>(group_.rank()), left_over = r >= static_cast<std::size_t>(group_.size());
      if (mine || (left_over && group_.is_root())) window_.restore(state_.windows[r]);
    }
  }

  /// Broken images of all streams since the start.
  void tell_skipped() {
    auto all = skipped_;
    for (const auto& stream : {stream_.get(), extra_stream_.get()}) {
      if (!stream) continue;
      const auto more = stream->skipped();
      all.insert(all.end(), more.begin(), more.end());
    }
    report_skipped(all, group_);
  }

  [[noreturn]] void interrupted() {
    tell_skipped();
    const int size = group_.size();
    const std::string processes = size == 1                     ? ""
                                  : group_.local_size() == size ? fmt::format(" --nproc {}", size)
                                                                : fmt::format(", started as {} processes", size);
    throw Interrupted(fmt::format("interrupted after step {}; saved, go on with: emotion_train --config {} --resume{}",
                                  state_.step, (run_ / "config.yaml").string(), processes));
  }

  void finish() {
    trace_.finish();
    tell_skipped();
    if (!group_.is_root()) return;
    const std::string best = state_.best_step >= 0 ? fmt::format(", best {} {:.4f} at step {}", config_.checkpoint.best,
                                                                 state_.best_value, state_.best_step)
                                                   : "";
    log_info("done after {} steps in {}{}; peak memory {:.2f} GB; {}", state_.step, format_duration(seconds_since(begin_)), best,
             static_cast<double>(peak_memory()) / 1e9, run_.string());
  }

  RunConfig config_;
  const TrainHooks& hooks_;
  const bool resumed_;
  ProcessGroup group_;
  fs::path run_;
  Device device_;
  CheckpointFolder checkpoints_;
  std::unique_ptr<Task> task_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<GradientAverage> gradients_;
  std::optional<WeightAverage> average_;
  std::unique_ptr<BatchStream> stream_, extra_stream_;
  std::optional<Schedule> schedule_;
  std::optional<RunLog> log_;
  LossScale loss_scale_;
  LossWindow window_;
  StepTrace trace_;
  RunState state_;
  Throughput throughput_;
  std::int64_t steps_per_epoch_ = 0, total_steps_ = 0;
  Clock::time_point begin_ = Clock::now(), saved_at_;
  double last_lr_ = 0;
  std::string detail_;
  bool best_is_missing_ = false;
  std::vector<std::string> skipped_;  // in evaluations
};

void train_in_group(const RunConfig& config, bool resume, const TrainHooks& hooks, ProcessGroup& group) {
  std::optional<RunFolder> folder;
  group.on_root([&] { folder.emplace(open_run_folder(config, resume)); });
  const fs::path run = config.output;
  try {
    Trainer trainer(config, resume, hooks, group);  // reads data and weights before anything is written
    group.on_root([&] {
      if (!resume) clear_failed_start(run);
      write_file_atomically(run / "config.yaml", print_run_config(config));
      set_log_file((run / "log.txt").string());
    });
    trainer.run();
    set_log_file("");
  } catch (const Error& error) {
    if (group.is_root() && fs::exists(run / "config.yaml")) {
      log_file_only(LogLevel::kError, error.what());
    } else if (folder && folder->made) {
      std::error_code ignored;
      fs::remove(run, ignored);  // only if empty: a failed start leaves nothing
    }
    set_log_file("");
    throw;
  }
}

}  // namespace

void train(const RunConfig& config, bool resume, const TrainHooks& hooks, ProcessGroup group) {
  group.finish("emotion_train --resume goes on from the last checkpoint", [&] { train_in_group(config, resume, hooks, group); });
}

}  // namespace emotion
