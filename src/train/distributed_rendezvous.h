#pragma once

#include <string>
#include <utility>
#include <vector>

#include <c10/util/intrusive_ptr.h>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "emotion/train/distributed.h"

namespace emotion {

/// A meeting of all processes at rank 0's address.
struct Rendezvous {
  c10::intrusive_ptr<c10d::Store> store;  ///< shared by all
  c10::intrusive_ptr<c10d::Store> watch;  ///< the same over a connection of its own
  std::vector<std::string> names;         ///< of each rank, for messages: `rank 1 (host, process 77)`
  std::string local_address;              ///< of this host, as the others reach it
};

/// As ProcessGroup::join.
Rendezvous meet(const Launch& launch, const std::vector<std::pair<std::string, std::string>>& same, double timeout);

}  // namespace emotion
