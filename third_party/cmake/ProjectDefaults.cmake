# What every build of the project shares: output folders, warnings, sanitizers. Build type, compiler cache, linker and tests are
# decided on here only where emotion is the top-level project: one that takes it in by add_subdirectory or FetchContent decides itself.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# The commands look for the library in ../lib.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)

# Only our own builds stop at a warning: a newer compiler of a project that takes emotion in must not.
option(EMOTION_WERROR "warnings are errors in the project's own code" ${PROJECT_IS_TOP_LEVEL})
option(EMOTION_PCH "precompile LibTorch's headers" ON)
set(EMOTION_SANITIZE "" CACHE STRING "address, thread or empty")

add_library(emotion_warnings INTERFACE)
target_compile_options(emotion_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  $<$<BOOL:${EMOTION_WERROR}>:-Werror>)
# GCC 12 sees reads of the greatest size in std::string's own find() where it is inlined behind a precompiled header.
target_compile_options(emotion_warnings INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overread>)
if(NOT EMOTION_SANITIZE STREQUAL "")
  # Lines for the reports and no more: whole debug data doubles the time of a build.
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1")
  # GCC sees uninitialised values in std::regex and the like where a sanitizer has changed the code (its bug 105562).
  target_compile_options(emotion_warnings INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()
if(EMOTION_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(EMOTION_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(NOT EMOTION_SANITIZE STREQUAL "")
  message(FATAL_ERROR "EMOTION_SANITIZE is '${EMOTION_SANITIZE}'; address, thread or empty")
endif()

if(NOT PROJECT_IS_TOP_LEVEL)
  return()
endif()
option(BUILD_TESTING "build the tests" ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# In place of CMake's own default, not of a user's flags: -O2 is what LibTorch's own hot loops were measured with; assertions of ours
# stay out of a release.
if(CMAKE_CXX_FLAGS_RELEASE STREQUAL "-O3 -DNDEBUG")
  set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The sloppiness is what ccache asks for with precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # base_dir: a second clone in another folder hits the cache.
    list(APPEND CMAKE_CXX_COMPILER_LAUNCHER CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1)
    add_compile_options(-fpch-preprocess)
  elseif(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
    # Clang writes the whole paths of headers into a precompiled one and looks for them there: no other clone may get it.
    add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
  endif()
  list(APPEND CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()
find_program(MOLD_PROGRAM mold)
find_program(LLD_PROGRAM ld.lld)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
elseif(LLD_PROGRAM)
  add_link_options(-fuse-ld=lld)
endif()
