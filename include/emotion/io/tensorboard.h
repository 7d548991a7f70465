#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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

/// One number of an event file.
struct EventScalar {
  std::string tag;
  std::int64_t step = 0;
  double value = 0;
};

/// The scalars of an event file, in its order: simple values, and rank-0 float32 or float64 tensors as newer writers put them.
/// Other summaries (text, images, histograms) are passed over. A session that starts again at step s (see EventWriter) drops what
/// was written from s on, as TensorBoard does. A last record that is not whole is left out: its writer may still be at work.
/// @throws DataError naming the file and the offset of a record whose checksum or content is wrong
std::vector<EventScalar> read_events(const std::filesystem::path& file);

/// The scalars of all events.out.tfevents.* files of a folder, in the order of their names, that is of their times.
/// @throws DataError
std::vector<EventScalar> read_event_folder(const std::filesystem::path& folder);

}  // namespace emotion
