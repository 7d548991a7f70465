#include <algorithm>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/tensorboard.h"
#include "record_crc.h"

namespace emotion {
namespace {

namespace fs = std::filesystem;

/// A field of a message in Protocol Buffers' wire format: `number` holds a varint or the bits of a fixed value, `bytes` the rest.
struct Field {
  std::uint64_t id = 0;
  unsigned wire_type = 0;
  std::uint64_t number = 0;
  std::string_view bytes;
};

/// Reads the fields of a message one after the other; a group, or a field that goes past the end, makes it invalid.
class MessageReader {
 public:
  explicit MessageReader(std::string_view message) : rest_(message) {}

  std::optional<Field> next() {
    std::uint64_t key = 0;
    if (rest_.empty() || !varint(key)) return std::nullopt;
    Field field{.id = key >> 3, .wire_type = static_cast<unsigned>(key & 7), .number = 0, .bytes = {}};
    std::uint64_t size = 0;
    switch (field.wire_type) {
      case 0: return varint(field.number) ? std::optional(field) : std::nullopt;
      case 1: size = 8; break;
      case 5: size = 4; break;
      case 2:
        if (varint(size)) break;
        [[fallthrough]];
      default: return invalid();
    }
    if (size > rest_.size()) return invalid();
    field.bytes = rest_.substr(0, size);
    if (field.wire_type != 2) std::memcpy(&field.number, field.bytes.data(), size);
    rest_.remove_prefix(size);
    return field;
  }
  bool valid() const { return valid_; }

 private:
  std::nullopt_t invalid() {
    valid_ = false;
    rest_ = {};
    return std::nullopt;
  }
  bool varint(std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<std::uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    invalid();
    return false;
  }
  std::string_view rest_;
  bool valid_ = true;
};

/// Calls `visit` with each field of a message. @return false if the message is none
template <class Visit>
bool each_field(std::string_view message, const Visit& visit) {
  MessageReader reader(message);
  bool good = true;
  while (const auto field = reader.next()) good = visit(*field) && good;
  return good && reader.valid();
}

template <class T>
std::optional<double> number_in(std::string_view bytes) {
  if (bytes.size() != sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return static_cast<double>(value);
}

/// A TensorProto of one float32 or float64 number (tensor.proto: dtype 1, tensor_content 4, float_val 5, double_val 6).
bool read_tensor(std::string_view message, std::optional<double>& value) {
  constexpr std::uint64_t kFloat = 1, kDouble = 2;
  std::uint64_t type = 0;
  std::string_view content, floats, doubles;
  const bool good = each_field(message, [&](const Field& field) {
    if (field.id == 1) type = field.number;
    if (field.id == 4) content = field.bytes;
    if (field.id == 5) floats = field.bytes;
    if (field.id == 6) doubles = field.bytes;
    return true;
  });
  if (type == kFloat) value = number_in<float>(content.empty() ? floats : content);
  if (type == kDouble) value = number_in<double>(content.empty() ? doubles : content);
  return good;
}

/// A Summary.Value (summary.proto: tag 1, simple_value 2, tensor 8).
bool read_value(std::string_view message, std::int64_t step, std::vector<EventScalar>& scalars) {
  EventScalar scalar{.tag = {}, .step = step};
  std::optional<double> value;
  const bool good = each_field(message, [&](const Field& field) {
    if (field.id == 1) scalar.tag = field.bytes;
    if (field.id == 2 && field.wire_type == 5) value = number_in<float>(field.bytes);
    return field.id != 8 || read_tensor(field.bytes, value);
  });
  if (!good || !value) return good;
  scalar.value = *value;
  scalars.push_back(std::move(scalar));
  return true;
}

/// An Event (event.proto: step 2, summary 5, session_log 7 whose status 1 is START).
bool read_event(std::string_view message, std::vector<EventScalar>& scalars) {
  std::int64_t step = 0;
  std::string_view summary;
  bool starts = false;
  bool good = each_field(message, [&](const Field& field) {
    if (field.id == 2) step = static_cast<std::int64_t>(field.number);
    if (field.id == 5) summary = field.bytes;
    if (field.id != 7) return true;
    return each_field(field.bytes, [&](const Field& log) {
      starts |= log.id == 1 && log.number == 1;
      return true;
    });
  });
  if (good && starts) std::erase_if(scalars, [&](const EventScalar& old) { return old.step >= step; });
  return good && each_field(summary, [&](const Field& value) { return value.id != 1 || read_value(value.bytes, step, scalars); });
}

/// A file's records (TFRecord): size, its checksum, content, its checksum.
void append_events(const fs::path& file, std::vector<EventScalar>& scalars) {
  constexpr std::size_t kHead = 12, kTail = 4;
  const std::string text = read_file(file);
  const auto at = [&](auto& value, std::size_t offset) { std::memcpy(&value, text.data() + offset, sizeof value); };
  for (std::size_t offset = 0; text.size() - offset >= kHead;) {
    const auto wrong = [&](const char* what) {
      return DataError(
          fmt::format("{}: the record at byte {} {}; not an event file, or a damaged one", file.string(), offset, what));
    };
    std::uint64_t size = 0;
    std::uint32_t size_crc = 0, crc = 0;
    at(size, offset);
    at(size_crc, offset + 8);
    if (size_crc != masked_crc(std::string_view(text).substr(offset, 8))) throw wrong("has a size with another checksum");
    if (text.size() - offset - kHead < kTail || size > text.size() - offset - kHead - kTail) return;
    const std::string_view message = std::string_view(text).substr(offset + kHead, size);
    at(crc, offset + kHead + size);
    if (crc != masked_crc(message)) throw wrong("has another checksum");
    if (!read_event(message, scalars)) throw wrong("holds no event");
    offset += kHead + size + kTail;
  }
}

}  // namespace

std::vector<EventScalar> read_events(const fs::path& file) {
  std::vector<EventScalar> scalars;
  append_events(file, scalars);
  return scalars;
}

std::vector<EventScalar> read_event_folder(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().starts_with("events.out.tfevents.")) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<EventScalar> scalars;
  for (const auto& file : files) append_events(file, scalars);
  return scalars;
}

}  // namespace emotion
