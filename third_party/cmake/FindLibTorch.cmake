# LibTorch::LibTorch: libtorch_cpu and libc10 only, so that starting a program never loads the CUDA libraries.
#
# Looks in CMAKE_PREFIX_PATH first (a user's own LibTorch), then in LibTorch_HINTS (an installed emotion names the one it was
# built with), then in .deps/ where tools/setup.sh unpacks the pinned wheel. LibTorch_ADVICE is what to do where none fits.
# The headers come after the system's own: the wheel carries a copy of fmt that must not hide Debian's.
find_path(LibTorch_INCLUDE_DIR torch/csrc/api/include/torch/torch.h
  PATH_SUFFIXES include torch/include ../../include  # the last for PREFIX/share/cmake, torch.utils.cmake_prefix_path
  HINTS ${LibTorch_HINTS} ${PROJECT_SOURCE_DIR}/.deps/torch)
if(LibTorch_INCLUDE_DIR)
  get_filename_component(LibTorch_INCLUDE_DIR "${LibTorch_INCLUDE_DIR}" REALPATH)
endif()
get_filename_component(LibTorch_ROOT "${LibTorch_INCLUDE_DIR}" DIRECTORY)
find_library(LibTorch_CPU_LIBRARY torch_cpu HINTS ${LibTorch_ROOT}/lib NO_DEFAULT_PATH)
find_library(LibTorch_C10_LIBRARY c10 HINTS ${LibTorch_ROOT}/lib NO_DEFAULT_PATH)
if(LibTorch_INCLUDE_DIR)
  foreach(header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
    if(EXISTS ${LibTorch_INCLUDE_DIR}/${header})
      file(STRINGS ${LibTorch_INCLUDE_DIR}/${header} version_lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
      foreach(part MAJOR MINOR PATCH)
        if("${version_lines}" MATCHES "TORCH_VERSION_${part} ([0-9]+)")
          set(LibTorch_VERSION_${part} ${CMAKE_MATCH_1})
        endif()
      endforeach()
      if(DEFINED LibTorch_VERSION_MAJOR)
        set(LibTorch_VERSION ${LibTorch_VERSION_MAJOR}.${LibTorch_VERSION_MINOR}.${LibTorch_VERSION_PATCH})
      endif()
    endif()
  endforeach()
endif()
include(FindPackageHandleStandardArgs)
if(NOT LibTorch_ADVICE)
  set(LibTorch_ADVICE "run `bash tools/setup.sh`, or set CMAKE_PREFIX_PATH to a LibTorch of 2.9 or later")
endif()
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_INCLUDE_DIR VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "${LibTorch_ADVICE}")
if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  # The wheel's libtorch_cpu wants libcudart and libcupti; setup.sh puts them beside it.
  file(GLOB LibTorch_CUDA_RUNTIME_DIRS ${LibTorch_ROOT}/../nvidia/*/lib ${LibTorch_ROOT}/../nvidia/*/*/lib)
  set(link_options -Wl,--allow-shlib-undefined)
  foreach(dir ${LibTorch_CUDA_RUNTIME_DIRS})
    list(APPEND link_options -Wl,-rpath-link,${dir})
  endforeach()
  set_target_properties(LibTorch::LibTorch PROPERTIES
    INTERFACE_LINK_OPTIONS "${link_options}"
    INTERFACE_COMPILE_OPTIONS "SHELL:-idirafter \"${LibTorch_INCLUDE_DIR}\";SHELL:-idirafter \"${LibTorch_INCLUDE_DIR}/torch/csrc/api/include\""
    INTERFACE_LINK_LIBRARIES "${LibTorch_CPU_LIBRARY};${LibTorch_C10_LIBRARY}")
  list(APPEND CMAKE_BUILD_RPATH ${LibTorch_ROOT}/lib ${LibTorch_CUDA_RUNTIME_DIRS})
  list(APPEND CMAKE_INSTALL_RPATH "$ORIGIN/../lib" "$ORIGIN" ${LibTorch_ROOT}/lib ${LibTorch_CUDA_RUNTIME_DIRS})
endif()
