#include "textflag.h"

// Salsa20 of eight blocks at a time: register i has word i of all of them. Words 0 and 15,
// which are never added to each other, stand on the stack, because two registers are needed
// for what comes between.
#define X0 0(SP)
#define X15 32(SP)

// STEP is d ^= (a + b) <<< n, with m = 32-n; only a may be in memory.
#define STEP(d, a, b, n, m) \
	VPADDD a, b, Y0;     \
	VPSLLD $n, Y0, Y15;  \
	VPSRLD $m, Y0, Y0;   \
	VPXOR  Y15, d, d;    \
	VPXOR  Y0, d, d

// STEPM is STEP with d in memory.
#define STEPM(d, a, b, n, m) \
	VPADDD  a, b, Y0;     \
	VPSLLD  $n, Y0, Y15;  \
	VPSRLD  $m, Y0, Y0;   \
	VPXOR   Y15, Y0, Y0;  \
	VPXOR   d, Y0, Y0;    \
	VMOVDQU Y0, d

// PUT encrypts half a block at DI: the low (s = 0x20) or high (s = 0x31) halves of a and b.
#define PUT(s, b, a, offset) \
	VPERM2I128 $s, b, a, Y8;      \
	VPXOR      offset(DI), Y8, Y8; \
	VMOVDQU    Y8, offset(DI)

// HALF turns the words in Y0 to Y7 into halves of the eight blocks, and encrypts these at DI.
#define HALF(o) \
	VPUNPCKLDQ  Y1, Y0, Y8;    \
	VPUNPCKHDQ  Y1, Y0, Y9;    \
	VPUNPCKLDQ  Y3, Y2, Y10;   \
	VPUNPCKHDQ  Y3, Y2, Y11;   \
	VPUNPCKLDQ  Y5, Y4, Y12;   \
	VPUNPCKHDQ  Y5, Y4, Y13;   \
	VPUNPCKLDQ  Y7, Y6, Y14;   \
	VPUNPCKHDQ  Y7, Y6, Y15;   \
	VPUNPCKLQDQ Y10, Y8, Y0;   \
	VPUNPCKHQDQ Y10, Y8, Y1;   \
	VPUNPCKLQDQ Y11, Y9, Y2;   \
	VPUNPCKHQDQ Y11, Y9, Y3;   \
	VPUNPCKLQDQ Y14, Y12, Y4;  \
	VPUNPCKHQDQ Y14, Y12, Y5;  \
	VPUNPCKLQDQ Y15, Y13, Y6;  \
	VPUNPCKHQDQ Y15, Y13, Y7;  \
	PUT(0x20, Y4, Y0, o+0);    \
	PUT(0x20, Y5, Y1, o+64);   \
	PUT(0x20, Y6, Y2, o+128);  \
	PUT(0x20, Y7, Y3, o+192);  \
	PUT(0x31, Y4, Y0, o+256);  \
	PUT(0x31, Y5, Y1, o+320);  \
	PUT(0x31, Y6, Y2, o+384);  \
	PUT(0x31, Y7, Y3, o+448)

// func salsaBlocks8(dst *[512]byte, words *[16][16]uint32)
TEXT ·salsaBlocks8(SB), NOSPLIT, $256-16
	MOVQ dst+0(FP), DI
	MOVQ words+8(FP), SI
	VMOVDQU (SI), Y0
	VMOVDQU Y0, X0
	VMOVDQU 960(SI), Y0
	VMOVDQU Y0, X15
	VMOVDQU 64(SI), Y1
	VMOVDQU 128(SI), Y2
	VMOVDQU 192(SI), Y3
	VMOVDQU 256(SI), Y4
	VMOVDQU 320(SI), Y5
	VMOVDQU 384(SI), Y6
	VMOVDQU 448(SI), Y7
	VMOVDQU 512(SI), Y8
	VMOVDQU 576(SI), Y9
	VMOVDQU 640(SI), Y10
	VMOVDQU 704(SI), Y11
	VMOVDQU 768(SI), Y12
	VMOVDQU 832(SI), Y13
	VMOVDQU 896(SI), Y14
	MOVQ $10, CX

rounds:
	// column round
	STEP(Y4, X0, Y12, 7, 25)
	STEP(Y9, Y5, Y1, 7, 25)
	STEP(Y14, Y10, Y6, 7, 25)
	STEP(Y3, X15, Y11, 7, 25)
	STEP(Y8, X0, Y4, 9, 23)
	STEP(Y13, Y9, Y5, 9, 23)
	STEP(Y2, Y14, Y10, 9, 23)
	STEP(Y7, X15, Y3, 9, 23)
	STEP(Y12, Y8, Y4, 13, 19)
	STEP(Y1, Y13, Y9, 13, 19)
	STEP(Y6, Y2, Y14, 13, 19)
	STEP(Y11, Y7, Y3, 13, 19)
	STEPM(X0, Y12, Y8, 18, 14)
	STEP(Y5, Y1, Y13, 18, 14)
	STEP(Y10, Y6, Y2, 18, 14)
	STEPM(X15, Y11, Y7, 18, 14)
	// row round
	STEP(Y1, X0, Y3, 7, 25)
	STEP(Y6, Y5, Y4, 7, 25)
	STEP(Y11, Y10, Y9, 7, 25)
	STEP(Y12, X15, Y14, 7, 25)
	STEP(Y2, X0, Y1, 9, 23)
	STEP(Y7, Y6, Y5, 9, 23)
	STEP(Y8, Y11, Y10, 9, 23)
	STEP(Y13, X15, Y12, 9, 23)
	STEP(Y3, Y2, Y1, 13, 19)
	STEP(Y4, Y7, Y6, 13, 19)
	STEP(Y9, Y8, Y11, 13, 19)
	STEP(Y14, Y13, Y12, 13, 19)
	STEPM(X0, Y3, Y2, 18, 14)
	STEP(Y5, Y4, Y7, 18, 14)
	STEP(Y10, Y9, Y8, 18, 14)
	STEPM(X15, Y14, Y13, 18, 14)
	DECQ CX
	JNE rounds

	VMOVDQU X0, Y0
	VMOVDQU X15, Y15
	VPADDD 0(SI), Y0, Y0
	VPADDD 64(SI), Y1, Y1
	VPADDD 128(SI), Y2, Y2
	VPADDD 192(SI), Y3, Y3
	VPADDD 256(SI), Y4, Y4
	VPADDD 320(SI), Y5, Y5
	VPADDD 384(SI), Y6, Y6
	VPADDD 448(SI), Y7, Y7
	VPADDD 512(SI), Y8, Y8
	VPADDD 576(SI), Y9, Y9
	VPADDD 640(SI), Y10, Y10
	VPADDD 704(SI), Y11, Y11
	VPADDD 768(SI), Y12, Y12
	VPADDD 832(SI), Y13, Y13
	VPADDD 896(SI), Y14, Y14
	VPADDD 960(SI), Y15, Y15
	VMOVDQU Y8, 0(SP)
	VMOVDQU Y9, 32(SP)
	VMOVDQU Y10, 64(SP)
	VMOVDQU Y11, 96(SP)
	VMOVDQU Y12, 128(SP)
	VMOVDQU Y13, 160(SP)
	VMOVDQU Y14, 192(SP)
	VMOVDQU Y15, 224(SP)
	HALF(0)
	VMOVDQU 0(SP), Y0
	VMOVDQU 32(SP), Y1
	VMOVDQU 64(SP), Y2
	VMOVDQU 96(SP), Y3
	VMOVDQU 128(SP), Y4
	VMOVDQU 160(SP), Y5
	VMOVDQU 192(SP), Y6
	VMOVDQU 224(SP), Y7
	HALF(32)

	VPXOR Y0, Y0, Y0 // no key stream stays on the stack
	VMOVDQU Y0, 0(SP)
	VMOVDQU Y0, 32(SP)
	VMOVDQU Y0, 64(SP)
	VMOVDQU Y0, 96(SP)
	VMOVDQU Y0, 128(SP)
	VMOVDQU Y0, 160(SP)
	VMOVDQU Y0, 192(SP)
	VMOVDQU Y0, 224(SP)
	VZEROALL
	RET

// The same of sixteen blocks, for which there are registers enough.

// STEP512 is d ^= (a + b) <<< n.
#define STEP512(d, a, b, n) \
	VPADDD a, b, Z16;    \
	VPROLD $n, Z16, Z16; \
	VPXORD Z16, d, d

// QUADS turns words a to d of all blocks into four times four words of a block: those of blocks
// 0, 4, 8 and 12 are in a, those of 1, 5, 9, 13 in b, and so on.
#define QUADS(a, b, c, d) \
	VPUNPCKLDQ  b, a, Z16;   \
	VPUNPCKHDQ  b, a, Z17;   \
	VPUNPCKLDQ  d, c, Z18;   \
	VPUNPCKHDQ  d, c, Z19;   \
	VPUNPCKLQDQ Z18, Z16, a; \
	VPUNPCKHQDQ Z18, Z16, b; \
	VPUNPCKLQDQ Z19, Z17, c; \
	VPUNPCKHQDQ Z19, Z17, d

#define PUT512(s, b, a, offset) \
	VSHUFI32X4 $s, b, a, Z20;        \
	VPXORD     offset(DI), Z20, Z20; \
	VMOVDQU32  Z20, offset(DI)

// BLOCKS encrypts four blocks at DI whose words are in a, b, c and d.
#define BLOCKS(a, b, c, d, o) \
	VSHUFI32X4 $0x44, b, a, Z16; \
	VSHUFI32X4 $0xee, b, a, Z17; \
	VSHUFI32X4 $0x44, d, c, Z18; \
	VSHUFI32X4 $0xee, d, c, Z19; \
	PUT512(0x88, Z18, Z16, o+0);   \
	PUT512(0xdd, Z18, Z16, o+256); \
	PUT512(0x88, Z19, Z17, o+512); \
	PUT512(0xdd, Z19, Z17, o+768)

// func salsaBlocks16(dst *[1024]byte, words *[16][16]uint32)
TEXT ·salsaBlocks16(SB), NOSPLIT, $0-16
	MOVQ dst+0(FP), DI
	MOVQ words+8(FP), SI
	VMOVDQU32 0(SI), Z0
	VMOVDQU32 64(SI), Z1
	VMOVDQU32 128(SI), Z2
	VMOVDQU32 192(SI), Z3
	VMOVDQU32 256(SI), Z4
	VMOVDQU32 320(SI), Z5
	VMOVDQU32 384(SI), Z6
	VMOVDQU32 448(SI), Z7
	VMOVDQU32 512(SI), Z8
	VMOVDQU32 576(SI), Z9
	VMOVDQU32 640(SI), Z10
	VMOVDQU32 704(SI), Z11
	VMOVDQU32 768(SI), Z12
	VMOVDQU32 832(SI), Z13
	VMOVDQU32 896(SI), Z14
	VMOVDQU32 960(SI), Z15
	MOVQ $10, CX

rounds:
	// column round
	STEP512(Z4, Z0, Z12, 7)
	STEP512(Z9, Z5, Z1, 7)
	STEP512(Z14, Z10, Z6, 7)
	STEP512(Z3, Z15, Z11, 7)
	STEP512(Z8, Z4, Z0, 9)
	STEP512(Z13, Z9, Z5, 9)
	STEP512(Z2, Z14, Z10, 9)
	STEP512(Z7, Z3, Z15, 9)
	STEP512(Z12, Z8, Z4, 13)
	STEP512(Z1, Z13, Z9, 13)
	STEP512(Z6, Z2, Z14, 13)
	STEP512(Z11, Z7, Z3, 13)
	STEP512(Z0, Z12, Z8, 18)
	STEP512(Z5, Z1, Z13, 18)
	STEP512(Z10, Z6, Z2, 18)
	STEP512(Z15, Z11, Z7, 18)
	// row round
	STEP512(Z1, Z0, Z3, 7)
	STEP512(Z6, Z5, Z4, 7)
	STEP512(Z11, Z10, Z9, 7)
	STEP512(Z12, Z15, Z14, 7)
	STEP512(Z2, Z1, Z0, 9)
	STEP512(Z7, Z6, Z5, 9)
	STEP512(Z8, Z11, Z10, 9)
	STEP512(Z13, Z12, Z15, 9)
	STEP512(Z3, Z2, Z1, 13)
	STEP512(Z4, Z7, Z6, 13)
	STEP512(Z9, Z8, Z11, 13)
	STEP512(Z14, Z13, Z12, 13)
	STEP512(Z0, Z3, Z2, 18)
	STEP512(Z5, Z4, Z7, 18)
	STEP512(Z10, Z9, Z8, 18)
	STEP512(Z15, Z14, Z13, 18)
	DECQ CX
	JNE rounds

	VPADDD 0(SI), Z0, Z0
	VPADDD 64(SI), Z1, Z1
	VPADDD 128(SI), Z2, Z2
	VPADDD 192(SI), Z3, Z3
	VPADDD 256(SI), Z4, Z4
	VPADDD 320(SI), Z5, Z5
	VPADDD 384(SI), Z6, Z6
	VPADDD 448(SI), Z7, Z7
	VPADDD 512(SI), Z8, Z8
	VPADDD 576(SI), Z9, Z9
	VPADDD 640(SI), Z10, Z10
	VPADDD 704(SI), Z11, Z11
	VPADDD 768(SI), Z12, Z12
	VPADDD 832(SI), Z13, Z13
	VPADDD 896(SI), Z14, Z14
	VPADDD 960(SI), Z15, Z15
	QUADS(Z0, Z1, Z2, Z3)
	QUADS(Z4, Z5, Z6, Z7)
	QUADS(Z8, Z9, Z10, Z11)
	QUADS(Z12, Z13, Z14, Z15)
	BLOCKS(Z0, Z4, Z8, Z12, 0)
	BLOCKS(Z1, Z5, Z9, Z13, 64)
	BLOCKS(Z2, Z6, Z10, Z14, 128)
	BLOCKS(Z3, Z7, Z11, Z15, 192)
	VPXORD Z16, Z16, Z16
	VPXORD Z17, Z17, Z17
	VPXORD Z18, Z18, Z18
	VPXORD Z19, Z19, Z19
	VPXORD Z20, Z20, Z20
	VZEROALL
	RET
