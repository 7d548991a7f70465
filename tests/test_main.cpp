#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <mutex>
#include <set>
#include <string>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "emotion/log.h"

// What every test binary begins with. The tests of a suite share a process: each finds it as the first one did, by itself or not.
namespace emotion {
namespace {

/// What belongs to the whole process and a test may change for no longer than it lasts, a line each.
std::set<std::string> process_state() {
  std::set<std::string> lines{"current folder: " + std::filesystem::current_path().string()};
  const mode_t mask = ::umask(0);
  ::umask(mask);
  lines.insert(fmt::format("umask: {:03o}", mask));
  for (const auto& [name, resource] : {std::pair{"RLIMIT_AS", RLIMIT_AS}, {"RLIMIT_FSIZE", RLIMIT_FSIZE}}) {
    rlimit limit{};
    ::getrlimit(resource, &limit);
    lines.insert(fmt::format("{}: {}", name, limit.rlim_cur));
  }
  for (const int number : {SIGALRM, SIGINT, SIGPIPE, SIGTERM, SIGXFSZ}) {
    struct sigaction action {};
    ::sigaction(number, nullptr, &action);
    lines.insert(fmt::format("handler of signal {}: {}", number, reinterpret_cast<const void*>(action.sa_handler)));
  }
  for (char** variable = environ; *variable; ++variable) {
    const std::string line = *variable;
    if (!line.starts_with("KINETO_LOG_LEVEL=")) lines.insert("environment: " + line);  // a traced step's, for good
  }
  return lines;
}

/// Gives every test the same log, random numbers and threads to begin with, and holds it to leaving the process as it was.
class SameBeginning final : public testing::EmptyTestEventListener {
 public:
  void OnTestSuiteStart(const testing::TestSuite& /*suite*/) override { reset(); }
  void OnTestStart(const testing::TestInfo& /*test*/) override {
    reset();
    before_ = process_state();
  }
  void OnTestEnd(const testing::TestInfo& /*test*/) override {
    reset();
    const std::set<std::string> after = process_state();
    for (const std::string& line : after) EXPECT_TRUE(before_.contains(line)) << "the test leaves this behind: " << line;
    for (const std::string& line : before_) EXPECT_TRUE(after.contains(line)) << "the test has changed this: " << line;
  }

 private:
  void reset() const {
    set_log_level(LogLevel::kInfo);
    set_log_file("");
    if (at::get_num_threads() != threads_) at::set_num_threads(threads_);
    // Of the processor alone: whether there is a GPU is asked once in a process, after the CUDA libraries were opened.
    at::Generator random = at::detail::getDefaultCPUGenerator();
    const std::lock_guard lock(random.mutex());
    random.set_current_seed(1);
  }

  int threads_ = at::get_num_threads();
  std::set<std::string> before_;
};

}  // namespace
}  // namespace emotion

/// 0 all passed, 1 some failed or no test has that name, 77 all that ran were skipped (ctest's SKIP_RETURN_CODE).
int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  testing::UnitTest& all = *testing::UnitTest::GetInstance();
  all.listeners().Append(new emotion::SameBeginning);  // which GoogleTest deletes
  if (RUN_ALL_TESTS() != 0) return 1;
  if (GTEST_FLAG_GET(list_tests)) return 0;
  if (all.test_to_run_count() == 0) {
    fmt::print(stderr, "no test has a name that --gtest_filter={} lets through\n", GTEST_FLAG_GET(filter));
    return 1;
  }
  return all.skipped_test_count() == all.test_to_run_count() ? 77 : 0;
}
