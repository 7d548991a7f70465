#include "shared_batch.h"

#include <utility>

namespace emotion {

SharedBatch next_shared(BatchStream& stream, bool skips, ProcessGroup& group) {
  const std::int64_t planned = stream.planned_size(stream.position()), own = stream.own_size(stream.position());
  SharedBatch shared{.batch = stream.next(), .all = planned};
  if (!skips) return shared;
  const auto n = static_cast<std::int64_t>(shared.batch.samples.size());
  // One sample is no fault where the plan has no more.
  const bool bad = n == 0 || (n == 1 && own > 1);
  shared.all = 0;
  bool usable = true;
  for (const std::int64_t one : group.gather(bad ? -1 : n)) {
    usable = usable && one >= 0;
    shared.all += one;
  }
  if (!usable) shared.all = 0;
  return shared;
}

double own_part(std::int64_t own, std::int64_t all, const ProcessGroup& group) {
  return group.size() == 1 ? 1 : static_cast<double>(own * group.size()) / static_cast<double>(all);
}

}  // namespace emotion
