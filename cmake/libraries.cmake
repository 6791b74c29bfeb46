# Third parties, each behind one short name. Debian's evhtp CMake package is broken, and its
# pkg-config file does not pull in libevent, so both are named here.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(add_library_from_pkgconfig name)
    pkg_check_modules(${name}_pc REQUIRED IMPORTED_TARGET ${ARGN})
    add_library(${name} INTERFACE)
    # SYSTEM: our warnings are not for their headers.
    target_include_directories(${name} SYSTEM INTERFACE ${${name}_pc_INCLUDE_DIRS})
    target_link_libraries(${name} INTERFACE PkgConfig::${name}_pc Threads::Threads)
endfunction()

add_library_from_pkgconfig(openssl libssl libcrypto)
add_library_from_pkgconfig(cjson libcjson)
add_library_from_pkgconfig(yaml yaml-0.1)
add_library_from_pkgconfig(event libevent_core libevent_extra libevent_pthreads libevent_openssl)
add_library_from_pkgconfig(evhtp evhtp libevent_core libevent_extra libevent_pthreads libevent_openssl libssl libcrypto)
add_library_from_pkgconfig(curl libcurl)
add_library_from_pkgconfig(nghttp2 libnghttp2)
add_library_from_pkgconfig(hiredis hiredis)
add_library_from_pkgconfig(sqlite sqlite3)
add_library_from_pkgconfig(zlib zlib)
add_library_from_pkgconfig(codings zlib libbrotlidec libzstd)
if(SALLYPORT_TESTS)
    add_library_from_pkgconfig(criterion criterion)
    add_library_from_pkgconfig(brotli_encoder libbrotlienc)
endif()
