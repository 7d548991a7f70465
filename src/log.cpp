#include "emotion/log.h"

#include <atomic>
#include <cstdio>
#include <memory>

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "emotion/error.h"

namespace emotion {
namespace {

std::shared_ptr<spdlog::logger>& logger() {
  static auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("emotion", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    return made;
  }();
  return instance;
}

spdlog::level::level_enum translate(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
    case LogLevel::kOff: return spdlog::level::off;
  }
  return spdlog::level::info;
}

constexpr const char* kClearLine = "\r\033[K";
std::atomic<bool> bar_shown{false};

std::string with_level(LogLevel level, std::string_view text) {
  const std::string_view prefix = level == LogLevel::kWarning ? "warning: " : level == LogLevel::kError ? "error: " : "";
  return fmt::format("{}{}", prefix, text);
}

}  // namespace

void set_log_level(LogLevel level) noexcept { logger()->set_level(translate(level)); }

bool log_enabled(LogLevel level) noexcept { return logger()->should_log(translate(level)); }

LogLevel parse_log_level(std::string_view name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  if (name == "off") return LogLevel::kOff;
  throw ConfigError(fmt::format("--log-level is '{}'; debug, info, warning, error or off", name));
}

void set_log_file(std::string_view path) {
  auto& sinks = logger()->sinks();
  sinks.resize(1);
  if (path.empty()) return;
  auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(std::string(path));
  sink->set_pattern("%Y-%m-%d %H:%M:%S.%e %v");
  sinks.push_back(std::move(sink));
  logger()->flush_on(spdlog::level::info);
}

void log_line(LogLevel level, std::string_view text) {
  if (log_enabled(level)) clear_bar();
  logger()->log(translate(level), with_level(level, text));
}

void log_file_only(LogLevel level, std::string_view text) {
  const auto& sinks = logger()->sinks();
  if (sinks.size() < 2) return;
  const std::string line = with_level(level, text);
  sinks[1]->log(spdlog::details::log_msg("emotion", translate(level), spdlog::string_view_t(line.data(), line.size())));
  sinks[1]->flush();
}

void show_bar(std::string_view text) {
  std::fputs(fmt::format("{}{}", kClearLine, text).c_str(), stderr);
  std::fflush(stderr);
  bar_shown = true;
}

void clear_bar() {
  if (bar_shown.exchange(false)) std::fputs(kClearLine, stderr);
}

}  // namespace emotion
