#include "command_line.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <new>
#include <system_error>

#include "emotion/error.h"
#include "emotion/nearest.h"

namespace emotion {
namespace {

/// libemotion.so of this version, in the build tree (bin/../lib) or the install tree (bin/../lib, lib64, or the linker's path).
void* open_library() {
  const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  std::string reasons;
  for (const std::string& candidate :
       {(here / "../lib" / EMOTION_LIBRARY).string(), (here / EMOTION_LIBRARY_FROM_BIN / EMOTION_LIBRARY).string(),
        std::string(EMOTION_LIBRARY)}) {
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

/// `PATH: reason`, of two paths `FROM -> TO: reason`.
std::string file_problem(const std::filesystem::filesystem_error& error) {
  std::string place = error.path1().string();
  if (!error.path2().empty()) place += " -> " + error.path2().string();
  return place + ": " + error.code().message();
}

/// A path that cannot be used is a fault of what was given; a disk that is full or fails, or a limit of the process, is not.
ExitCode exit_code(const std::error_code& error) {
  constexpr std::array kMachine{EDQUOT, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, EROFS, ESTALE};
  const bool machine = std::find(kMachine.begin(), kMachine.end(), error.value()) != kMachine.end();
  return machine ? ExitCode::kRunFailed : ExitCode::kData;
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

/// What may be given with or without its flag stands twice in the help; it says there that it is needed once.
void tell_either_way(CLI::App& app) {
  for (CLI::Option* option : app.get_options([](CLI::Option* each) { return each->get_positional() && each->nonpositional(); })) {
    if (!option->get_required()) continue;
    option->option_text(option->get_type_name() + "; " + option->get_name(true, false) + " or " + option->get_name(false, true) +
                        " is REQUIRED");
  }
  for (CLI::App* sub : app.get_subcommands([](CLI::App*) { return true; })) tell_either_way(*sub);
}

/// The flags that may stand where parsing ended: those of the command and of the subcommand.
std::vector<std::string> known_flags(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  }
  for (const CLI::App* sub : app.get_subcommands()) {
    const std::vector<std::string> more = known_flags(*sub);
    flags.insert(flags.end(), more.begin(), more.end());
  }
  return flags;
}

/// True if `text` is made of some letters of `full` in their order: cfg of config.
bool abbreviates(std::string_view text, std::string_view full) {
  for (const char c : full) {
    if (!text.empty() && text.front() == c) text.remove_prefix(1);
  }
  return text.empty();
}

std::string meant_flag(const std::string& flag, const std::vector<std::string>& flags) {
  std::string best = nearest(flag, flags);
  if (!best.empty()) return "; did you mean " + best + "?";
  for (const std::string& known : flags) {
    if (abbreviates(flag, known) && (best.empty() || known.size() < best.size())) best = known;
  }
  return best.empty() ? "" : "; did you mean " + best + "?";
}

/// What to say of words that were not understood. They are the cause too where something is said to be missing.
std::string usage_problem(const CLI::App& app, const CLI::ParseError& error) {
  const bool extra = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError);
  const std::vector<std::string> words = app.remaining(true);
  if (words.empty() || (!extra && error.get_exit_code() != static_cast<int>(CLI::ExitCodes::RequiredError))) return error.what();
  for (const std::string& word : words) {
    const std::string flag = word.substr(0, word.find('='));
    if (flag.starts_with("--") && flag.size() > 2) return "unknown flag '" + flag + "'" + meant_flag(flag, known_flags(app));
  }
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) names.push_back(sub->get_name());
  if (!names.empty() && app.get_subcommands().empty()) return "unknown '" + words[0] + "'" + did_you_mean(words[0], names);
  return extra ? "unexpected: " + CLI::detail::join(words, " ") : error.what();
}

/// `emotion_data import` where parsing came so far.
std::string command_name(const CLI::App& app) {
  const auto subs = app.get_subcommands();
  return subs.empty() ? app.get_name() : app.get_name() + " " + command_name(*subs.front());
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
  tell_either_way(app);
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
    std::cerr << app.get_name() << ": " << one_line(usage_problem(app, error)) << "; see " << command_name(app) << " --help\n";
    return static_cast<int>(ExitCode::kUsage);
  }
  try {
    EMOTION_CALL(emotion_start, log_level);
    action();
    return finish(app);
  } catch (const Error& error) {
    // A process of --nproc has told the launching one, which prints it.
    if (*error.what()) std::cerr << one_line(error.what()) << '\n';
    return static_cast<int>(error.code());
  } catch (const std::filesystem::filesystem_error& error) {
    std::cerr << one_line(file_problem(error)) << '\n';
    return static_cast<int>(exit_code(error.code()));
  } catch (const std::bad_alloc&) {
    std::cerr << app.get_name() << ": out of memory; use a smaller batch, fewer workers or a smaller image size\n";
  } catch (const std::exception& error) {
    std::cerr << app.get_name() << ": " << first_line(error.what()) << '\n';
  }
  return static_cast<int>(ExitCode::kRunFailed);
}

}  // namespace emotion
