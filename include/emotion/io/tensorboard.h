#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

namespace emotion {

/// Appends scalars to an events.out.tfevents.* file in `folder`, in the record format TensorBoard reads.
class EventWriter {
 public:
  /// Opens a new file; with resume_step >= 0 its first event tells TensorBoard to drop older events past that step.
  /// @throws RunError
  explicit EventWriter(const std::filesystem::path& folder, std::int64_t resume_step = -1);
  ~EventWriter();
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;
  void add_scalar(std::string_view tag, std::int64_t step, double value);
  void add_text(std::string_view tag, std::int64_t step, std::string_view text);
  /// Hands everything written so far to the system. @throws RunError
  void flush();

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace emotion
