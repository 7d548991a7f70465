#pragma once

// Included by the build in front of every test source.
#define EMOTION_TEST_DATA ::emotion_test_data
#define EMOTION_BIN ::emotion_bin

extern const char* const emotion_test_data;  ///< the folder of the test's CMakeLists.txt
extern const char* const emotion_bin;        ///< the folder of the built commands
