#include "emotion/io/tensorboard.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <fstream>
#include <string>

#include <fmt/format.h>

#include "emotion/error.h"
#include "record_crc.h"

namespace emotion {
namespace {

/// Protocol Buffers' wire format, as far as Event needs it (tensorboard/compat/proto/event.proto, summary.proto).
class Message {
 public:
  Message& number(int field, std::uint64_t value) { return key(field, 0).varint(value); }
  Message& fixed(int field, double value) { return key(field, 1).raw(&value, sizeof value); }
  Message& fixed(int field, float value) { return key(field, 5).raw(&value, sizeof value); }
  Message& bytes(int field, std::string_view value) {
    key(field, 2).varint(value.size());
    text_.append(value);
    return *this;
  }
  const std::string& text() const { return text_; }

 private:
  Message& key(int field, int wire_type) {
    return varint(static_cast<std::uint64_t>(field) << 3 | static_cast<std::uint64_t>(wire_type));
  }
  Message& varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) text_ += static_cast<char>(value | 0x80);
    text_ += static_cast<char>(value);
    return *this;
  }
  Message& raw(const void* data, std::size_t size) {
    text_.append(static_cast<const char*>(data), size);
    return *this;
  }
  std::string text_;
};

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

template <class T>
std::string_view as_bytes(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

}  // namespace

struct EventWriter::Data {
  std::filesystem::path file;
  std::ofstream out;

  void record(const Message& event) {
    const std::uint64_t size = event.text().size();
    const std::uint32_t size_crc = masked_crc(as_bytes(size)), crc = masked_crc(event.text());
    for (const std::string_view part : {as_bytes(size), as_bytes(size_crc), std::string_view(event.text()), as_bytes(crc)}) {
      out.write(part.data(), static_cast<std::streamsize>(part.size()));
    }
  }
  Message event(std::int64_t step) const {
    Message message;
    message.fixed(1, now()).number(2, static_cast<std::uint64_t>(step));
    return message;
  }
};

EventWriter::EventWriter(const std::filesystem::path& folder, std::int64_t resume_step) : data_(std::make_unique<Data>()) {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  const auto stamp = static_cast<std::int64_t>(now());
  for (int number = 0; data_->file.empty() || std::filesystem::exists(data_->file); ++number) {
    data_->file = folder / fmt::format("events.out.tfevents.{:010d}.{}.{}.{}", stamp, host.data(), ::getpid(), number);
  }
  data_->out.open(data_->file, std::ios::binary);
  Message version;
  data_->record(version.fixed(1, now()).bytes(3, "brain.Event:2"));
  if (resume_step >= 0) {
    // SessionLog START: events of this run from later steps, written before it was killed, are dropped by the reader.
    data_->record(data_->event(resume_step + 1).bytes(7, Message().number(1, 1).text()));
  }
  flush();
}

EventWriter::~EventWriter() = default;

void EventWriter::add_scalar(std::string_view tag, std::int64_t step, double value) {
  const std::string summary = Message().bytes(1, Message().bytes(1, tag).fixed(2, static_cast<float>(value)).text()).text();
  data_->record(data_->event(step).bytes(5, summary));
}

void EventWriter::add_text(std::string_view tag, std::int64_t step, std::string_view text) {
  constexpr std::uint64_t kString = 7;  // DT_STRING
  const std::string tensor =
      Message().number(1, kString).bytes(2, Message().bytes(2, Message().number(1, 1).text()).text()).bytes(8, text).text();
  const std::string metadata = Message().bytes(1, Message().bytes(1, "text").text()).text();
  const std::string value = Message().bytes(1, tag).bytes(9, metadata).bytes(8, tensor).text();
  data_->record(data_->event(step).bytes(5, Message().bytes(1, value).text()));
}

void EventWriter::flush() {
  data_->out.flush();
  if (!data_->out) throw RunError(data_->file.string() + ": cannot be written: " + std::strerror(errno));
}

}  // namespace emotion
