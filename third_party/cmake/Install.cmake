# The install tree: commands, library, headers, and what find_package(emotion) reads.
include(CMakePackageConfigHelpers)
set(emotion_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/emotion)

install(TARGETS emotion EXPORT emotionTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/emotion DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT emotionTargets NAMESPACE emotion:: DESTINATION ${emotion_package_dir})

# A project that uses the library finds LibTorch as this one does: CMAKE_PREFIX_PATH first, then the one it was built with.
configure_package_config_file(third_party/cmake/emotionConfig.cmake.in ${PROJECT_BINARY_DIR}/emotionConfig.cmake
  INSTALL_DESTINATION ${emotion_package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/emotionConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/emotionConfig.cmake ${PROJECT_BINARY_DIR}/emotionConfigVersion.cmake
  third_party/cmake/FindLibTorch.cmake DESTINATION ${emotion_package_dir})
