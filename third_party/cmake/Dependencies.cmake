# Debian's -dev packages (tools/setup.sh installs them), and LibTorch.
find_package(LibTorch 2.9 REQUIRED)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(matio REQUIRED IMPORTED_TARGET matio)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(OpenCV REQUIRED COMPONENTS core imgproc imgcodecs)
find_package(simdjson REQUIRED)
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
find_package(GIF REQUIRED)
find_package(ZLIB REQUIRED)
find_package(CURL 7.85 REQUIRED)
find_path(GLOO_INCLUDE_DIR gloo/algorithm.h REQUIRED)
# For libemotion_nccl.so, which is built where both are there: from the wheels of `setup.sh --cuda`, else the machine's toolkit. The
# runtime's own wheel lacks the compiler's part of its headers (crt/), without which none of them compiles.
file(GLOB cuda_wheel_includes ${LibTorch_ROOT}/../nvidia/*/include)
find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${cuda_wheel_includes} /usr/local/cuda/include)
find_path(CUDA_RUNTIME_INCLUDE_DIR crt/host_defines.h HINTS ${cuda_wheel_includes} /usr/local/cuda/include)
find_package(dlib REQUIRED)
find_library(FAISS_LIBRARY faiss REQUIRED)

add_library(emotion_dependencies INTERFACE)
target_link_libraries(emotion_dependencies INTERFACE Threads::Threads fmt::fmt spdlog::spdlog nlohmann_json::nlohmann_json yaml-cpp
  opencv_core opencv_imgproc opencv_imgcodecs simdjson::simdjson JPEG::JPEG PNG::PNG GIF::GIF ZLIB::ZLIB PkgConfig::matio CURL::libcurl dlib::dlib
  ${FAISS_LIBRARY} lapack blas gomp ${CMAKE_DL_LIBS})
# LibTorch stands before BLAS, which dlib and faiss bring: its wheel exports the sgemm_ of its own MKL, and of two the first serves the
# whole process. With Debian's reference BLAS in front every matrix product is many times slower.
target_link_options(emotion_dependencies INTERFACE "LINKER:--push-state,--no-as-needed,${LibTorch_CPU_LIBRARY},--pop-state")
if(PROJECT_IS_TOP_LEVEL AND BUILD_TESTING)
  find_package(GTest REQUIRED)
endif()
