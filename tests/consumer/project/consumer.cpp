// What a program that uses the installed library needs: a header, a function, an exception that crosses the library's border.
#include <iostream>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/random.h"

int main() {
  emotion::Random random{1, 2, 3};
  if (emotion::path_below("photos", "img/1.jpg") != "photos/img/1.jpg" || random.below(10) >= 10) return 1;
  try {
    emotion::path_below("photos", "../secret");
    return 1;
  } catch (const emotion::DataError& error) {
    emotion::log_info("refused as it should be: {}", error.what());
  }
  std::cout << "emotion " << EMOTION_VERSION << '\n';
}
