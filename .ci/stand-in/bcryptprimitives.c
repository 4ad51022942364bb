/* The library of Windows that Rust's takes random bytes from, which Wine lacks before version 8.13.
   Only for trials under such a Wine: it hands over Wine's own source of them. */
#include <windows.h>

/* `RtlGenRandom` in Microsoft's documentation; advapi32 exports it under this name. */
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
    const ULONG most = 1 << 20;
    while (length > 0) {
        ULONG count = length < most ? (ULONG)length : most;
        if (!SystemFunction036(data, count))
            return FALSE;
        data += count;
        length -= count;
    }
    return TRUE;
}
