# What every target of ours is compiled with; targets take it by linking to og_options.
add_library(og_options INTERFACE)
target_compile_definitions(og_options INTERFACE _GNU_SOURCE OG_VERSION="${PROJECT_VERSION}")
target_compile_options(og_options INTERFACE
  -Wall -Wextra -Wshadow -Wvla -Wpointer-arith -Wwrite-strings -Wstrict-prototypes -Wmissing-prototypes
  -Wold-style-definition -fno-common
  # clang takes the fall-throughs in uthash's macros for ours; one compiler that looks is enough.
  $<$<C_COMPILER_ID:GNU>:-Wimplicit-fallthrough>)
if(OG_WERROR)
  target_compile_options(og_options INTERFACE -Werror)
endif()
if(OG_FUZZ)
  # A fuzzer is led by the coverage of what it tests, and notices what the sanitizers notice.
  target_compile_options(og_options INTERFACE -fsanitize=fuzzer-no-link)
  set(OG_SANITIZE ON)
endif()
if(OG_SANITIZE)
  target_compile_options(og_options INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(og_options INTERFACE -fsanitize=address,undefined)
else()
  # Fortification wants optimisation, and the sanitizers have checks of their own.
  target_compile_options(og_options INTERFACE $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2> -fstack-protector-strong)
endif()
