#include "command_line.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <new>

#include "emotion/error.h"

namespace emotion {
namespace {

/// libemotion.so in the build tree (bin/../lib) or the install tree (bin/../lib, lib64, or the linker's path).
void* open_library() {
  const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  std::string reasons;
  for (const std::string& candidate :
       {(here / "../lib/libemotion.so").string(), (here / EMOTION_LIBRARY_FROM_BIN / "libemotion.so").string(),
        std::string("libemotion.so")}) {
    if (void* handle = ::dlopen(candidate.c_str(), RTLD_NOW | RTLD_GLOBAL)) return handle;
    reasons = ::dlerror();
  }
  throw RunError("libemotion.so cannot be opened: " + reasons);
}

/// LibTorch's messages carry a stack trace behind the first line.
std::string first_line(const char* text) {
  const std::string all(text);
  return all.substr(0, all.find('\n'));
}

/// A text may hold names out of a file: they forge no further line, move no cursor, and do not fill the terminal.
std::string one_line(std::string_view text) {
  constexpr std::size_t kMost = 4000;
  std::string line;
  for (const char c : text.substr(0, kMost)) {
    if (c == '\n') {
      line += "\\n";
    } else {
      line += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    }
  }
  return text.size() > kMost ? line + " .." : line;
}

/// Started with one of them closed, the first files opened would take its number, and log lines would be written into them.
void open_standard_files() {
  for (int fd = 0; fd < 3; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) static_cast<void>(::open("/dev/null", O_RDWR));  // the lowest free number, which is fd
  }
}

/// A full disk behind `> FILE` shows only here. A pipe fails when its reader has seen enough, which is no failure of ours.
bool output_is_written() {
  const bool flushed = std::cout.flush() && std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  struct stat info {};
  return flushed || (::fstat(STDOUT_FILENO, &info) == 0 && (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode)));
}

int finish(const CLI::App& app) {
  if (output_is_written()) return static_cast<int>(ExitCode::kDone);
  std::cerr << app.get_name() << ": standard output cannot be written; is the disk full?\n";
  return static_cast<int>(ExitCode::kRunFailed);
}

/// strtoull, which CLI11 asks, makes 18446744073709551615 of -1.
void refuse_minus_signs(CLI::App& app) {
  for (CLI::Option* option : app.get_options([](CLI::Option* each) { return each->get_type_name().starts_with("UINT"); })) {
    option->check([](const std::string& text) {
      return text.find('-') == std::string::npos ? std::string() : "Value " + text + " is below 0";
    });
  }
  for (CLI::App* sub : app.get_subcommands([](CLI::App*) { return true; })) refuse_minus_signs(*sub);
}

}  // namespace

void* library_function(const char* name) {
  static void* handle = open_library();
  if (void* address = ::dlsym(handle, name)) return address;
  throw RunError(std::string("libemotion.so is of another version: it has no ") + name);
}

int run_command(CLI::App& app, int argc, char** argv, const std::function<void()>& action) {
  open_standard_files();
  refuse_minus_signs(app);
  std::string log_level = "info";
  app.set_version_flag("--version", EMOTION_VERSION);
  app.add_option("--log-level", log_level, "debug, info, warning, error or off")->capture_default_str();
  app.fallthrough();
  // Subcommands took the setting over when they were added, before this.
  for (CLI::App* sub : app.get_subcommands([](CLI::App*) { return true; })) sub->fallthrough();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help, --version
      app.exit(error);
      return finish(app);
    }
    std::cerr << app.get_name() << ": " << error.what() << "; see " << app.get_name() << " --help\n";
    return static_cast<int>(ExitCode::kUsage);
  }
  try {
    call_library<std::string>("emotion_start", log_level);
    action();
    return finish(app);
  } catch (const Error& error) {
    // A process of --nproc has told the launching one, which prints it.
    if (*error.what()) std::cerr << one_line(error.what()) << '\n';
    return static_cast<int>(error.code());
  } catch (const std::bad_alloc&) {
    std::cerr << app.get_name() << ": out of memory; use a smaller batch, fewer workers or a smaller image size\n";
  } catch (const std::exception& error) {
    std::cerr << app.get_name() << ": " << first_line(error.what()) << '\n';
  }
  return static_cast<int>(ExitCode::kRunFailed);
}

}  // namespace emotion
