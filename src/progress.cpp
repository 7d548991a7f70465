#include "emotion/progress.h"

#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>

#include "emotion/log.h"

namespace emotion {

using Clock = std::chrono::steady_clock;

std::string format_duration(double seconds) {
  const auto s = static_cast<std::int64_t>(std::max(0.0, seconds) + 0.5);
  return s >= 3600 ? fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60) : fmt::format("{}:{:02}", s / 60, s % 60);
}

Progress::Progress(std::string title, std::uint64_t total, std::uint64_t first, std::chrono::milliseconds line_interval)
    : title_(std::move(title)),
      total_(total),
      first_(first),
      terminal_(::isatty(STDERR_FILENO) == 1),
      line_interval_(line_interval),
      begin_(Clock::now()) {
  next_ = begin_ + (terminal_ ? std::chrono::milliseconds(200) : line_interval_);
}

Progress::~Progress() { clear(); }

void Progress::clear() {
  if (terminal_) clear_bar();
}

void Progress::update(std::uint64_t done, std::string_view detail) {
  const auto now = Clock::now();
  if (now < next_ || !log_enabled(LogLevel::kInfo)) return;
  next_ = now + (terminal_ ? std::chrono::milliseconds(100) : line_interval_);
  const double seconds = std::chrono::duration<double>(now - begin_).count();
  const double rate = static_cast<double>(done - std::min(done, first_)) / std::max(seconds, 1e-9);
  const double part = total_ == 0 ? 0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total_));
  const std::string left = rate > 0 ? format_duration(static_cast<double>(total_ - std::min(done, total_)) / rate) : "?";
  const std::string numbers = fmt::format("{}/{}  {:.{}f}/s  ETA {}", done, total_, rate, rate < 10 ? 1 : 0, left);
  if (!terminal_) {
    log_info("{}: {:.0f} %  {}{}{}", title_, 100 * part, numbers, detail.empty() ? "" : "  ", detail);
    return;
  }
  const auto filled = static_cast<int>(part * 20);
  std::string bar;
  for (int i = 0; i < 20; ++i) bar += i < filled ? "━" : "╌";
  show_bar(fmt::format("{} {} {}{}{}", title_, bar, numbers, detail.empty() ? "" : "  ", detail));
}

}  // namespace emotion
