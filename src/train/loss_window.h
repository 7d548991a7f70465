#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "emotion/error.h"
#include "emotion/train/distributed.h"
#include "emotion/train/task.h"

namespace emotion {

/// What to do where losses or weights are not finite.
inline constexpr const char* kNotFiniteAdvice =
    "the checkpoints stay as they were; a lower optimizer.lr or optimizer.clip_norm may help, in a run with another --output; "
    "--set model.init=RUN begins it with this one's weights";

/// Losses or weights are NaN or infinite: what was trained is worth no checkpoint.
class NotFiniteError : public RunError {
 public:
  explicit NotFiniteError(const std::string& what) : RunError(what + "; " + kNotFiniteAdvice) {}
};

/// Means of the losses since the last line of metrics.jsonl. On a GPU the values are read late, so that no step waits for them.
class LossWindow {
 public:
  /// `eager`: read every value at once (on the CPU that costs nothing). `owner`: whose losses they are, for errors.
  explicit LossWindow(bool eager, std::string owner = "") : eager_(eager), owner_(std::move(owner)) {}
  /// Takes the losses of step `step` (from 1), means over `samples` samples or of the output's weight; that of the second batch
  /// over `extra` samples.
  /// @throws NotFiniteError naming step and part if one is NaN or infinite
  void add(std::int64_t step, const TaskOutput& output, std::int64_t samples, std::int64_t extra = 0);
  /// Reads what is pending. @throws NotFiniteError as add()
  void flush();
  /// `loss`, whole, and its parts, means over the samples of all processes (rank 0; the others get nothing); then starts anew.
  std::vector<std::pair<std::string, double>> take(ProcessGroup& group);
  /// Mean `loss` over the samples of all processes since the last call (rank 0), whatever take() has taken; what restore() brings
  /// does not count. Nothing where there was none.
  std::optional<double> take_epoch(ProcessGroup& group);
  /// For a checkpoint: sums as text, and back, added to what is there.
  std::string save();
  void restore(const std::string& text);

 private:
  struct Pending {
    std::int64_t step;
    std::vector<std::string> names;
    std::vector<double> weights;
    at::Tensor values;  // [names]
  };
  /// A part that some batches have and others have not (a second data set's) is a mean over those that have it.
  struct Sum {
    std::string name;
    double sum = 0, weight = 0;
  };
  using Sums = std::vector<Sum>;
  static void add_to(Sums& sums, const std::string& name, double sum, double weight);
  static std::string to_text(const Sums& sums);
  static void add_text(Sums& sums, const std::string& text);
  /// The means of all processes' sums (rank 0), which start anew.
  std::vector<std::pair<std::string, double>> take_means(Sums& sums, ProcessGroup& group);

  bool eager_;
  std::string owner_;
  double extra_weight_ = 1;
  std::vector<Pending> pending_;
  Sums sums_, epoch_;
};

}  // namespace emotion
