//! Each rule for people: what it means for readers when it is broken, and what can be done.

/// What is to be done about what a rule forbids, where that is the same for many.
mod remedy {
    pub(super) const REPAIR: &str =
        "It can be put right in place, on media that can be rewritten, without touching any file.";
    pub(super) const REMAKE: &str =
        "Readers that mount the volume serve its files; a volume made anew from them is rid of it.";
    pub(super) const HARMLESS: &str =
        "Nothing needs to be done for the files' sake; tell whoever wrote the software.";
    pub(super) const COPY: &str =
        "Copy the files off, compare those named with another copy, and make the volume anew.";
    pub(super) const FREE: &str = "Write nothing to the volume before what is free has been counted again.";
    pub(super) const ATTRIBUTE: &str =
        "The file's contents are not concerned; recording the file again rids it of the attribute.";
    pub(super) const WRITER: &str =
        "Only who wrote the volume can record it otherwise; another writer, or another session, will.";
}

use remedy::{ATTRIBUTE, COPY, FREE, HARMLESS, REMAKE, REPAIR, WRITER};

macro_rules! advice {
    ($($number:literal $meaning:literal $remedy:expr;)*) => { [$(($meaning, $remedy)),*] };
}

/// What a broken rule means for readers, and what to do, by the rule's number.
pub(super) const ADVICE: [(&str, &str); 141] = advice! {
    0 "Something cannot be read at all, or the volume cannot be opened: files may be lost."
        "Read the device again, with another drive perhaps; older sessions and other copies of the descriptors may still be good.";

    // Tags.
    1 "A descriptor has changed since it was recorded; careful readers refuse it, and with it what it describes."
        COPY;
    2 "Readers ignore the byte or, if they are strict, the descriptor."
        HARMLESS;
    3 "Readers take versions other than 2 and 3 for another format; mixed ones confuse recovery tools only."
        REMAKE;
    4 "The bytes of a descriptor are not those that were recorded; Linux and others refuse it."
        COPY;
    5 "Linux refuses directories whose names have another CRC length, others accept it."
        REPAIR;
    6 "The descriptor was meant for another place: readers refuse it, or it is left over from another volume."
        COPY;
    7 "Tools that search a damaged disc cannot tell this volume's descriptors from older ones."
        HARMLESS;
    8 "Readers that have a block's memory for a descriptor cannot read it."
        REMAKE;
    9 "Nobody reads these bytes; they may show what was in memory or on the disc before."
        HARMLESS;
    10 "What should be described here is not: the file, directory or volume is lost to readers."
        "Look for it in an older session, or search the disc for what describes it.";

    // Text, identifiers, times.
    11 "Readers that know no other character set may show names and labels wrongly."
        REPAIR;
    12 "Strict readers may take the volume for one in another character set."
        REPAIR;
    13 "The label or another text is shown cut, empty or not at all."
        REPAIR;
    14 "The name cannot be shown as it is, and in some systems not be opened."
        "Rename the file.";
    15 "Readers show such a name empty or made up, as that of something deleted."
        "Rename the file, if it is to stay.";
    16 "Readers that compare identifiers refuse the structure; Linux mounts only read-only if a domain's flags are not 0."
        REPAIR;
    17 "Nobody can tell which software wrote the structure."
        HARMLESS;
    18 "Software may take a private structure for one of the standard's."
        HARMLESS;
    19 "Systems cannot know whose owners and permissions these are."
        HARMLESS;
    20 "The time is shown wrongly, or as none."
        "Set the times of the files named, where that can be done.";
    21 "Backups that compare times may pass over files or copy them each time."
        "Set the clock of the machine that writes; touch the files.";

    // Recognition.
    22 "Systems do not see that this is UDF, and offer to format it or mount something else."
        REPAIR;
    23 "Readers of one edition may take the volume for one of the other."
        REPAIR;
    24 "Strict readers look for structures of the wrong edition."
        REPAIR;
    25 "Some readers stop at the first end they see, and miss the volume."
        REPAIR;
    26 "Readers that go on until a blank sector may take data for descriptors."
        HARMLESS;
    27 "Readers of later versions pass over descriptors whose version they do not know."
        REPAIR;
    28 "Firmware that boots from UDF, if there is any, may refuse to."
        HARMLESS;

    // Anchors and sequences.
    29 "If the one anchor becomes unreadable, so does the volume; some readers look at one place only."
        "On rewritable media a missing anchor can be written again; a disc that is open gets its second when it is closed.";
    30 "Readers may take it for the anchor of another session."
        HARMLESS;
    31 "Which state of the volume is seen depends on the reader."
        "Find out which anchor leads to the newest state, before anything is written.";
    32 "A sequence has no room for descriptors that are changed later, and strict readers refuse it."
        WRITER;
    33 "Writing a file may destroy what the volume is known by."
        "Copy the files off, and write nothing to it.";
    34 "A reader that must use the reserve sees another volume, or an older state."
        REPAIR;
    35 "Readers find a part of the volume undescribed, or have to choose."
        REPAIR;
    36 "Which of the two counts depends on the reader."
        REPAIR;
    37 "Readers stop here, or pass it over; what follows may not be seen."
        REPAIR;
    38 "One scratch takes both copies, and with them the volume."
        WRITER;

    // Primary volume, volume information, unallocated space.
    39 "Readers that look for number 0 find no primary volume."
        REPAIR;
    40 "Readers ask for the other discs of a set."
        REPAIR;
    41 "Strict readers refuse the volume as one of a kind that they do not know."
        REPAIR;
    42 "Systems that tell volumes apart by this text may take this one for another."
        REPAIR;
    43 "Readers may ask for further discs."
        REPAIR;
    44 "Nobody reads these bytes."
        HARMLESS;
    45 "Which label is shown depends on the reader."
        "Give the volume its label again.";
    46 "Who writes to the volume may overwrite what is in use."
        FREE;

    // Partitions.
    47 "Strict readers take the partition for unused, and refuse it."
        REPAIR;
    48 "Linux looks for a partition of its edition and may refuse to mount."
        REPAIR;
    49 "Readers cannot tell whether they may write, and do not."
        REPAIR;
    50 "Partition and structures of the volume may overwrite each other."
        WRITER;
    51 "The image is cut off, or the disc smaller than it was: files at the end cannot be read."
        "Copy the disc again, all of it.";
    52 "Drives cannot relocate a packet that begins or ends outside."
        WRITER;
    53 "Nobody reads such tables."
        REPAIR;
    54 "Who writes cannot know what is free."
        FREE;
    55 "Systems mount the volume read-only, or refuse to write for lack of space."
        "Counting the free space again, where the volume can be written, is all it needs.";
    56 "Most readers know one partition only; what lies in others is not seen."
        WRITER;
    57 "Only some tools cannot work with such a volume."
        "Use others.";

    // Logical volume, maps, integrity.
    58 "Readers look for everything at the wrong place, and refuse to mount."
        "Give the block size that the volume was made with; a copy onto another kind of medium is to be made file by file.";
    59 "Readers cannot know where a partition's blocks lie, and refuse to mount."
        WRITER;
    60 "Nothing in that partition can be found, unless a reader guesses."
        REPAIR;
    61 "The blocks of the upper partition lie nowhere certain."
        WRITER;
    62 "Readers cope; Windows may not write."
        WRITER;
    63 "Readers ignore the bits, or refuse what later versions may mean by them."
        REPAIR;
    64 "Drives and systems may not find what was relocated, or lose all tables to one scratch."
        WRITER;
    65 "Systems treat the volume as a disc that only grows, and waste what could be rewritten."
        WRITER;
    66 "There is little room for the record of changes; readers cope."
        REMAKE;
    67 "An update was not completed: counts, free space and new files may be wrong. Windows and macOS refuse to write, or mount read-only."
        "Counting everything again and closing the volume puts it right; copy off first what cannot be replaced.";
    68 "Readers misread what follows: free space, counts, revisions."
        REPAIR;
    69 "Systems show the wrong free space, and may write over files if it is too much."
        FREE;
    70 "New files may get an id that is taken; old systems know 31 bits."
        REPAIR;
    71 "Systems show wrong numbers; nothing is lost."
        REPAIR;
    72 "Readers that could read the volume refuse to, or some mount what they do not understand."
        REPAIR;
    73 "Nobody reads these bytes."
        HARMLESS;

    // Virtual partitions.
    74 "No reader finds a file: the table says where everything is."
        "Give the last recorded sector; an older table, before it, shows an older state.";
    75 "Readers misread the table, or miss the states before it."
        "A further session records a new table.";
    76 "What the entry stands for cannot be read."
        "An older table may have it right; a further session records a new one.";
    77 "Readers ignore it; the oldest know file entries only."
        HARMLESS;
    78 "A file or directory cannot be read, or only its first block."
        "Look for it in an older state of the disc.";
    79 "Room that could be used again is not; nothing is lost."
        HARMLESS;
    80 "Systems that know files by their id may take the table for one."
        "A further session records a table with an id of its own.";

    // Sparing tables.
    81 "Relocated packets are read from their damaged place, differently by each reader."
        "If one copy is right, both can be recorded from it.";
    82 "Writing a file may destroy relocated packets, or the table."
        FREE;

    // Metadata partitions.
    83 "Readers refuse the metadata file, and use its mirror, or mount nothing."
        REPAIR;
    84 "Readers cope; drives write more slowly, and a defect reaches further."
        REMAKE;
    85 "A reader that must use the mirror sees something else."
        "Find out which copy is right before anything is written; then one can be recorded from the other.";
    86 "One scratch takes both copies, and with them all names."
        WRITER;
    87 "Who writes cannot know which metadata blocks are free."
        FREE;
    88 "Readers that expect everything described as demanded do not find it, Windows among them."
        REMAKE;
    89 "Who writes may overwrite entries of files, or leaves room unused."
        FREE;

    // File sets and entries.
    90 "Readers take the first file set, or refuse one of a level that they do not know."
        REPAIR;
    91 "Readers look for the newest entry in another place, or refuse the file."
        "Recording the file again puts it right.";
    92 "Readers show the file as something else, or not at all."
        "Copy its contents, if they can be read, and record the file again.";
    93 "Readers ignore it."
        HARMLESS;
    94 "Readers misread where the contents are, or refuse the file; a contiguous file binds those who write."
        "Recording the file again puts it right.";
    95 "Times of creation are kept elsewhere or not at all; readers cope."
        HARMLESS;
    96 "Owners that nobody set are shown."
        HARMLESS;
    97 "Readers ignore the bits, or grant what they should not."
        REPAIR;
    98 "Readers that know records may show the file in pieces; the others ignore it."
        REPAIR;
    99 "Linux does not open files of link count 0; deleting one name may free a file that has others."
        "Counting the names again, where the volume can be written, puts it right.";
    100 "Readers ignore it."
        HARMLESS;
    101 "Readers refuse the entry, and with it the file."
        COPY;
    102 "Readers show the file cut, or with what is left over behind it."
        COPY;
    103 "Systems show how much room the file takes wrongly."
        REPAIR;
    104 "Systems show how much the file and its streams take wrongly."
        REPAIR;
    105 "Systems that know files by their id may take one for another: hard links and network shares go wrong."
        REPAIR;
    106 "Readers ignore such a file, or take its attributes for those of another."
        ATTRIBUTE;

    // Allocation.
    107 "Readers cannot know where the contents are, or where they end."
        COPY;
    108 "A part of the file is missing, or what follows it is shown too."
        COPY;
    109 "Who appends to the file may take the tail for contents."
        "Recording the file again puts it right.";
    110 "Readers ignore it; those that check refuse the file."
        REPAIR;
    111 "That part of the file cannot be read."
        "Look for it in an older session; what is left can be copied.";
    112 "The rest of the file cannot be found."
        "Look for it in an older session; what is left can be copied.";
    113 "One of the two files has the other's contents, or will when either is changed."
        "Copy both, look which is right, and delete both before writing anything else. Where a writer means it as a hard link, only change nothing.";
    114 "Readers ignore it; drives may not have to erase what is."
        HARMLESS;
    115 "Who writes may use a block twice, or never."
        FREE;

    // Directories.
    116 "Systems lose their way up from the directory."
        REPAIR;
    117 "Names at the end of the directory may not be seen."
        COPY;
    118 "Readers ignore the bits, or pass over versions other than 1."
        REPAIR;
    119 "The name cannot be shown or opened."
        "Rename the file.";
    120 "The name leads nowhere, and readers may stop at it."
        "Delete the name.";
    121 "Readers that look into it misread the name behind."
        REPAIR;
    122 "Systems open a file as a directory or the other way round, and refuse."
        REPAIR;
    123 "Only the first of the two can be opened by its name."
        "Rename one of them.";
    124 "Some readers of write-once discs cannot read the name behind."
        WRITER;
    125 "Old systems cannot open files of so long a path."
        "Rename directories or move them up.";
    126 "Tools that go through the tree may do so for ever, or delete what is in use elsewhere."
        "Copy what is in it, and take one of the names away.";
    127 "Systems do not find the stream, or take it for one of their own."
        "Copy the stream's contents, and record it again under a legal name.";
    128 "Systems may write to damaged blocks."
        FREE;

    // Attributes.
    129 "Readers do not find attributes that are there, or look for them behind the end."
        ATTRIBUTE;
    130 "Readers that stop at the first of another kind miss those behind."
        ATTRIBUTE;
    131 "Readers misread this attribute and all behind it."
        ATTRIBUTE;
    132 "Readers pass the attribute over."
        ATTRIBUTE;
    133 "Systems do not believe the attribute: finder information, for instance, is lost."
        ATTRIBUTE;
    134 "Systems cannot know which device it is."
        "Make the device node anew.";
    135 "Nobody reads these bytes."
        HARMLESS;

    // Free space.
    136 "Systems refuse to write, or misjudge what is free."
        FREE;
    137 "The next file that is written destroys what is there."
        "Write nothing to the volume before what is free has been counted again; copy off the files named.";
    138 "Room is lost, nothing else; files that nobody can reach any more may lie there."
        "Counting what is free again gives it back; look first whether something is to be saved.";
    139 "The file, directory or file set cannot be read."
        "Look for it in an older session; if the image is cut off, copy the disc again.";
    140 "Writing a file may destroy what the volume is known by."
        "Copy the files off, and write nothing to it.";
};
