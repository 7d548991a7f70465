#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include "emotion/batch_norm.h"
#include "emotion/error.h"
#include "emotion/io/weights.h"

namespace emotion {

/// Where a process stands among those that work together, and where they meet.
struct Launch {
  int rank = 0, world_size = 1;
  int local_rank = 0, local_world_size = 1;  ///< on this host
  std::string address;                       ///< host of the rendezvous: rank 0's
  int port = 0;
  bool store_elsewhere = false;  ///< torchrun's agent or --nproc holds the rendezvous, not rank 0
  bool nproc = false;            ///< --nproc started the processes: all of them see the same GPUs
  std::string attempt = "0";     ///< a second start at the same rendezvous shares nothing with the first

  /// torchrun's variables (RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT), else those of a Slurm step;
  /// one process where there is neither. @throws ConfigError naming the variable
  static Launch from_environment();
};

/// Another process died, hung, lost its network or stopped with an error. The text names its rank.
class PeerLost : public RunError {
 public:
  PeerLost(const std::string& text, int rank) : RunError(text), rank_(rank) {}
  int rank() const noexcept { return rank_; }

 private:
  int rank_;
};

/// Keeps c10d from warning on stderr, several lines each, about what is said here in one, and from asking the name server for
/// both names of every connection, for messages that nobody sees: where that server is slow or away each name takes 5 s and more,
/// one after the other at rank 0. From then on this process knows host names by /etc/hosts alone.
void quiet_network();

/// The processes that work together, on c10d: TCPStore, Gloo, and NCCL between GPUs. A value: copies are the same group.
///
/// With one process (the default) every function is the identity and costs nothing, so that callers know no difference. All
/// processes call the same functions in the same order. A process that dies, hangs or stops with an error makes the others throw
/// PeerLost, within the timeout or soon after it.
class ProcessGroup {
 public:
  struct Data;  ///< of the implementation
  ProcessGroup();
  /// Waits until every process is there, and calls quiet_network().
  /// @param same     (name, value) pairs that must be the same everywhere, for instance a config; the version always is
  /// @param timeout  seconds without a sign of a process until the others give up
  /// @throws ConfigError for an address or port that cannot be used and for processes that do not fit together (both values are
  ///         shown), RunError if one does not come
  static ProcessGroup join(const Launch& launch, const std::vector<std::pair<std::string, std::string>>& same, double timeout);

  int rank() const;
  int size() const;
  bool is_root() const { return rank() == 0; }
  int local_rank() const;
  int local_size() const;  ///< processes on this host
  bool by_nproc() const;   ///< started by --nproc

  /// Every process's value, by rank.
  std::vector<std::int64_t> gather(std::int64_t value);
  std::vector<double> gather(double value);
  /// Rank 0 gets every process's text, by rank; the others nothing.
  std::vector<std::string> gather_to_root(const std::string& text);
  bool any(bool value);
  /// True once any process was asked to stop, as far as is known here: no exchange, and not the same everywhere at the same time.
  bool stop_asked() const;
  /// The sum over the processes, in place. CPU tensors of a floating or integer type, of the same shapes everywhere.
  void sum(const std::vector<at::Tensor>& tensors);
  /// Rank 0's values, in place.
  void broadcast(const std::vector<at::Tensor>& tensors);
  std::string broadcast(std::string text);
  StateDict broadcast(StateDict state);
  /// Rank 0 does it, however long it takes; the others wait. If it throws there, they throw PeerLost.
  void on_root(const std::function<void()>& action);
  /// Until every process has come here, however long its work takes.
  void wait_for_all();
  /// While it lives, this process gets on step by step and says so by step(): the others, where they wait for it, throw PeerLost
  /// once a step takes some seconds more than the timeout. Work of which nobody can say how long it takes has none.
  class Steps {
   public:
    explicit Steps(const ProcessGroup& group);
    ~Steps();
    Steps(const Steps&) = delete;
    Steps& operator=(const Steps&) = delete;
    /// @throws PeerLost once another process is lost, instead of at the end of the work
    void step() const;

   private:
    std::shared_ptr<Data> data_;
  };
  /// @throws DataError on every process, with both values, if this text is not rank 0's everywhere
  void check_same(const std::string& what, const std::string& value);

  /// For synchronised batch norm. Null with one process.
  std::shared_ptr<StatisticsExchange> statistics_exchange();
  /// A GPU's processes talk through NCCL. @throws RunError where the module is not built, and on every process, naming the ranks,
  /// if the devices of some are GPUs and those of others are not
  void use_device(const at::Device& device);

  /// Does this process's work and leaves; an error is told to the others and goes on. `again` ends the text of a lost process:
  /// how the work goes on. @throws what `work` throws
  void finish(const std::string& again, const std::function<void()>& work);
  /// The last call of a process that is done, and of one that stops with an error: the others are told what it was.
  void leave();
  void leave(const Error& error);

 private:
  friend class GradientAverage;
  std::shared_ptr<Data> data_;
};

/// What DistributedDataParallel does to a network: gradients are means over the processes, found bucket by bucket while backward
/// runs (c10d::Reducer). A parameter that no process's loss reaches keeps no gradient; one that some reach has the mean.
class GradientAverage {
 public:
  /// Gives every process rank 0's parameters and buffers. The network must outlive it.
  GradientAverage(const ProcessGroup& group, torch::nn::Module& network);
  ~GradientAverage();
  /// Gives every process rank 0's buffers: before each step, and before an evaluation.
  void broadcast_buffers();
  /// loss.backward(). With `last` false gradients only add up here, as under DistributedDataParallel's no_sync: one with `last`
  /// is to follow.
  void backward(const at::Tensor& loss, bool last);

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

/// Threads of this process when `all` are shared by the processes of a host: at least one.
int share_of_threads(int all, int local_size);

/// `workers` where it is set; 0 = this process's share of the host's cores.
int decoding_threads(int workers, const ProcessGroup& group);

/// The name of this process's device: where `name` means a GPU (cuda, or auto on a host that has one), each process of a host
/// takes one of its own.
/// @param alone  no two processes may share a GPU, which NCCL refuses
/// @throws ConfigError where they would
std::string own_device(const std::string& name, const ProcessGroup& group, bool alone = false);
/// @throws ConfigError if --nproc has started more processes than the `visible` GPUs
void check_gpus(const ProcessGroup& group, int visible);
/// The number of this process's GPU among those that it sees. Where it sees one alone (Slurm's --gpus-per-task), it is that one.
int own_gpu(int local_rank, int visible);

}  // namespace emotion
