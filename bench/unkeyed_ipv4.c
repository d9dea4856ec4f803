/* Looks for the IPv4 address whose text has a given SHA-256: eight addresses at a time on one core.
 *
 * Usage: unkeyed_ipv4 HASH FIRST COUNT    (hash in hex; addresses as numbers)
 * Prints the address found, or "-". No library: a dictionary of all addresses is this little work.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LANES 8
typedef uint32_t lanes __attribute__((vector_size(4 * LANES)));

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
static const uint32_t START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

#define ROTATE(x, n) ((x) >> (n) | (x) << (32 - (n)))

static void sha256_of_one_block(const lanes block[16], lanes state[8]) {
    lanes w[64], s[8];
    for (int i = 0; i < 16; i++) w[i] = block[i];
    for (int i = 16; i < 64; i++) {
        lanes a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (ROTATE(a, 7) ^ ROTATE(a, 18) ^ a >> 3) + w[i - 7] + (ROTATE(b, 17) ^ ROTATE(b, 19) ^ b >> 10);
    }
    for (int i = 0; i < 8; i++) s[i] = (lanes){0} + START[i];
    for (int i = 0; i < 64; i++) {
        lanes e = s[4], a = s[0];
        lanes one = s[7] + (ROTATE(e, 6) ^ ROTATE(e, 11) ^ ROTATE(e, 25)) + ((e & s[5]) ^ (~e & s[6])) + K[i] + w[i];
        lanes two = (ROTATE(a, 2) ^ ROTATE(a, 13) ^ ROTATE(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        s[7] = s[6], s[6] = s[5], s[5] = e, s[4] = s[3] + one;
        s[3] = s[2], s[2] = s[1], s[1] = a, s[0] = one + two;
    }
    for (int i = 0; i < 8; i++) state[i] = s[i] + START[i];
}

static int part_length[256];
static char part_text[256][4];

static int write_text(uint32_t address, char *text) {
    int length = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        int part = address >> shift & 255;
        memcpy(text + length, part_text[part], 4);
        length += part_length[part];
        text[length++] = '.';
    }
    return length - 1;
}

static uint32_t big_endian(const char *bytes) {
    uint32_t word;
    memcpy(&word, bytes, 4);
    return __builtin_bswap32(word);
}

int main(int count_of_arguments, char **arguments) {
    if (count_of_arguments != 4 || strlen(arguments[1]) != 64) return 2;
    uint32_t wanted[8];
    for (int i = 0; i < 8; i++) {
        char word[9] = {0};
        memcpy(word, arguments[1] + 8 * i, 8);
        wanted[i] = strtoul(word, NULL, 16);
    }
    for (int part = 0; part < 256; part++) {
        char text[5];
        part_length[part] = snprintf(text, sizeof text, "%d", part);
        memcpy(part_text[part], text, 4);
    }
    uint64_t first = strtoull(arguments[2], NULL, 10), end = first + strtoull(arguments[3], NULL, 10);
    for (uint64_t base = first; base < end; base += LANES) {
        lanes block[16] = {0}, state[8];
        for (int lane = 0; lane < LANES; lane++) {
            char text[20];
            int length = write_text(base + lane, text);
            memset(text + length, 0, sizeof text - length);
            text[length] = (char)0x80;
            for (int i = 0; i < 4; i++) block[i][lane] = big_endian(text + 4 * i);
            block[15][lane] = 8 * length;
        }
        sha256_of_one_block(block, state);
        for (int lane = 0; lane < LANES; lane++) {
            if (state[0][lane] != wanted[0] || base + lane >= end) continue;
            int same = 1;
            for (int i = 1; i < 8; i++) same &= state[i][lane] == wanted[i];
            if (same) {
                char text[20];
                printf("%.*s\n", write_text(base + lane, text), text);
                return 0;
            }
        }
    }
    puts("-");
    return 0;
}
